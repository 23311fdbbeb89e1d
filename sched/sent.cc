#include "sched/sent.h"

#include "base/check.h"

namespace wanbond {

void SentLog::grow(std::size_t count) noexcept {
  std::vector<SentSegment> larger(count);
  for (std::uint32_t n = base_; n < next_; ++n) larger[n & (count - 1)] = at(n);
  entries_ = std::move(larger);
}

/// Makes place for `number`; the numbers left out were no DATA.
void SentLog::prepare(std::uint32_t number) noexcept {
  check(!is_full_for(number));
  if (base_ == next_) base_ = next_ = number;
  std::size_t count = entries_.empty() ? kCountMin : entries_.size();
  while (number - base_ >= count) count *= 2;
  if (count != entries_.size()) grow(count);
  for (; next_ < number; ++next_) at(next_) = {};
}

void SentLog::advance() noexcept {
  if (live_ == 0)
    base_ = next_;
  else
    while (!at(base_).is_live()) ++base_;
}

Time SentLog::oldest_sent() const noexcept {
  if (live_ == 0) return kNever;
  return last_sent_ - std::chrono::microseconds(to_us(last_sent_) - at(base_).sent_us);
}

}  // namespace wanbond
