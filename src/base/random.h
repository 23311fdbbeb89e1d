// Randomness comes from outside: the kernel's in the program (io/random), a seeded generator in
// the simulator. One of the two base classes of the project.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"

namespace wanbond {

/// A source of unpredictable bytes, handed to a machine at its construction.
class Random {
 public:
  virtual ~Random() = default;
  Random() = default;
  Random(const Random&) = delete;
  Random& operator=(const Random&) = delete;

  /// Fills all of `out`. Never fails: an implementation that cannot must end the program.
  virtual void fill(MutableBytes out) noexcept = 0;

  std::uint64_t u64() noexcept {
    std::byte raw[8];
    fill(raw);
    return ByteReader(raw).u64();
  }
  /// Uniform in [0, bound) up to a bias of bound / 2^64; `bound` > 0.
  std::uint64_t below(std::uint64_t bound) noexcept { return u64() % bound; }
  /// Uniform in [0, bound); `bound` > 0.
  Duration below(Duration bound) noexcept {
    return Duration(static_cast<Duration::rep>(below(static_cast<std::uint64_t>(bound.count()))));
  }
};

}  // namespace wanbond
