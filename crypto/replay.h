// The window that lets each packet number of a path through once (way of a packet, inbound
// station 5). RFC 6479: a ring of words, no shifting.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "crypto/limits.h"

namespace wanbond {

/// Accepts number n at most once, and only if n > highest - numbers() - 1 and n < kPacketNumberEnd.
/// Fed only with numbers whose packet authenticated.
class ReplayWindow {
 public:
  /// 1 KiB of memory: 98 ms of reordering inside a path at 1 Gbit/s.
  static constexpr std::uint32_t kNumbers = 8192 - 64;
  /// 4 KiB: 39 ms at 10 Gbit/s; for paths of 5 Gbit/s and more.
  static constexpr std::uint32_t kNumbersFast = 32768 - 64;

  /// `numbers` older than the highest are still accepted; a power of two less 64. Takes the
  /// memory, all of it, now.
  explicit ReplayWindow(std::uint32_t numbers = kNumbers);

  /// True, and remembered, when `number` was never accepted and is not too old.
  [[nodiscard]] bool accept(std::uint32_t number) noexcept;
  /// The highest accepted number; none before the first.
  std::optional<std::uint32_t> highest() const noexcept;
  std::uint32_t numbers() const noexcept { return (word_mask_ + 1) * 64 - 64; }

 private:
  std::unique_ptr<std::uint64_t[]> words_;
  std::uint32_t word_mask_;
  std::uint64_t next_ = 0;  // highest accepted + 1
};

}  // namespace wanbond
