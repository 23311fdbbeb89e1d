#include "crypto/replay.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace wanbond {

ReplayWindow::ReplayWindow(std::uint32_t numbers)
    : words_(std::make_unique<std::uint64_t[]>(numbers / 64 + 1)), word_mask_(numbers / 64) {
  check(numbers >= 64 && numbers % 64 == 0 && std::has_single_bit(numbers / 64 + 1));
}

bool ReplayWindow::accept(std::uint32_t number) noexcept {
  if (number >= kPacketNumberEnd) return false;
  if (number >= next_) {
    // Words between the old highest and the new one hold numbers of an earlier round.
    const std::uint64_t word = number / 64;
    const std::uint64_t old_word = next_ == 0 ? word : (next_ - 1) / 64;
    const std::uint64_t stale = std::min<std::uint64_t>(word - old_word, word_mask_ + 1);
    for (std::uint64_t i = 0; i < stale; ++i) words_[(word - i) & word_mask_] = 0;
    next_ = std::uint64_t{number} + 1;
  } else if (next_ - 1 - number > numbers()) {
    return false;
  }
  std::uint64_t& word = words_[number / 64 & word_mask_];
  const std::uint64_t bit = std::uint64_t{1} << number % 64;
  if ((word & bit) != 0) return false;
  word |= bit;
  return true;
}

std::optional<std::uint32_t> ReplayWindow::highest() const noexcept {
  if (next_ == 0) return std::nullopt;
  return static_cast<std::uint32_t>(next_ - 1);
}

}  // namespace wanbond
