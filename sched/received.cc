#include "sched/received.h"

#include <algorithm>

namespace wanbond {

void ReceivedNumbers::open(std::size_t at, std::uint32_t number) noexcept {
  if (at == kRangesMax) return;  // older than all that is kept
  const std::size_t kept = std::min(count_, kRangesMax - 1);
  std::move_backward(ranges_.begin() + static_cast<std::ptrdiff_t>(at),
                     ranges_.begin() + static_cast<std::ptrdiff_t>(kept),
                     ranges_.begin() + static_cast<std::ptrdiff_t>(kept) + 1);
  ranges_[at] = {number, number};
  count_ = kept + 1;
}

void ReceivedNumbers::close(std::size_t at) noexcept {
  std::move(ranges_.begin() + static_cast<std::ptrdiff_t>(at) + 1,
            ranges_.begin() + static_cast<std::ptrdiff_t>(count_),
            ranges_.begin() + static_cast<std::ptrdiff_t>(at));
  --count_;
}

ReceivedNumbers::Place ReceivedNumbers::insert(std::uint32_t number) noexcept {
  if (count_ > 0 && number < ranges_[0].last && ranges_[0].last - number > kRestartDistance)
    count_ = 0;
  const bool is_first = count_ == 0;
  if (is_first || number > ranges_[0].last) {
    open(0, number);
    return is_first ? Place::Next : Place::Gap;
  }
  std::size_t i = 0;
  while (i < count_ && number + 1 < ranges_[i].first) ++i;
  if (i == count_ || number > ranges_[i].last + 1) {
    open(i, number);
  } else if (number + 1 == ranges_[i].first) {
    ranges_[i].first = number;
    if (i + 1 < count_ && ranges_[i + 1].last + 1 == number) {
      ranges_[i].first = ranges_[i + 1].first;
      close(i + 1);
    }
  } else if (number == ranges_[i].last + 1) {
    ranges_[i].last = number;
  }
  return Place::Late;
}

}  // namespace wanbond
