// SeededRandom: the simulator's randomness. Same seed, same bytes on every machine; never for keys
// that protect anything. xoshiro256** seeded by splitmix64 (Blackman, Vigna 2018).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/random.h"

namespace wanbond::sim {

/// A reproducible Random.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) word = split_mix(seed);
  }

  void fill(MutableBytes out) noexcept override {
    for (std::size_t i = 0; i < out.size();) {
      std::uint64_t word = next();
      for (std::size_t k = 0; k < 8 && i < out.size(); ++k, ++i, word >>= 8)
        out[i] = static_cast<std::byte>(word & 0xff);
    }
  }

  /// The next 64 bits; the same stream as fill().
  std::uint64_t next() noexcept {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }
  /// True in `ppm` of 1,000,000 draws.
  bool chance_ppm(std::uint32_t ppm) noexcept { return next() % 1'000'000 < ppm; }
  /// Uniform in [low, high].
  std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept {
    return low + next() % (high - low + 1);
  }

 private:
  static std::uint64_t split_mix(std::uint64_t& x) noexcept {
    x += 0x9e3779b97f4a7c15;
    std::uint64_t z = x;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace wanbond::sim
