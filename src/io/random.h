// KernelRandom: the kernel's random numbers, read in blocks. The only source of randomness of the
// program (the simulator has its own). Source: getrandom(2).
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>

#include "base/random.h"

namespace wanbond {

/// Buffered getrandom(2). Used bytes are wiped at once, and a forked child starts with an empty
/// buffer, so no byte is ever given out twice. Ends the program when the kernel has none to give.
/// Not thread-safe.
class KernelRandom final : public Random {
 public:
  KernelRandom() noexcept = default;
  ~KernelRandom() override;

  void fill(MutableBytes out) noexcept override;

 private:
  static constexpr std::size_t kBufferBytes = 512;  // one system call per 64 numbers
  void refill() noexcept;

  std::array<std::byte, kBufferBytes> buffer_{};
  std::size_t left_ = 0;  // unused bytes, at the end of the buffer
  pid_t owner_ = 0;       // process that filled the buffer
};

}  // namespace wanbond
