// ReceivedNumbers: which packet numbers of a path have arrived, as runs; what a report
// acknowledges. One per path, on the receiving side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/sequence.h"

namespace wanbond {

/// The newest kRangesMax runs; older ones have been reported often enough. A number in order costs
/// one comparison. Numbers are those of a path whatever the key: they go on over a rekey.
class ReceivedNumbers {
 public:
  static constexpr std::size_t kRangesMax = 32;
  /// A number so far below the largest is no late packet: the sender counts anew.
  static constexpr std::uint32_t kRestartDistance = std::uint32_t{1} << 24;

  /// How a number stands to those before it.
  enum class Place : std::uint8_t {
    Next,  // right behind the largest
    Gap,   // beyond it: something is missing
    Late,  // below the largest
  };
  Place on_number(std::uint32_t number) noexcept {
    if (count_ == 0 || number != ranges_[0].last + 1) return insert(number);
    ranges_[0].last = number;
    return Place::Next;
  }
  /// Newest first; empty before the first number.
  std::span<const NumberRange> ranges() const noexcept { return {ranges_.data(), count_}; }
  void reset() noexcept { count_ = 0; }

 private:
  Place insert(std::uint32_t number) noexcept;
  void open(std::size_t at, std::uint32_t number) noexcept;
  void close(std::size_t at) noexcept;

  std::array<NumberRange, kRangesMax> ranges_{};
  std::size_t count_ = 0;
};

}  // namespace wanbond
