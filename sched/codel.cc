#include "sched/codel.h"

#include <algorithm>
#include <cmath>

namespace wanbond {

bool Codel::is_above(Time now, Duration excess, bool is_short,
                     const CodelSettings& settings) noexcept {
  if (excess < settings.target || is_short) {
    above_since_ = kNever;
    return false;
  }
  if (above_since_ == kNever) above_since_ = now + std::max(settings.interval, settings.patience);
  return now >= above_since_;
}

void Codel::schedule(Time from, Duration interval) noexcept {
  const double wait = static_cast<double>(interval.count()) / std::sqrt(count_);
  next_ = from + Duration(static_cast<Duration::rep>(wait));
}

bool Codel::should_drop(Time now, Duration excess, bool is_short,
                        const CodelSettings& settings) noexcept {
  const bool above = is_above(now, excess, is_short, settings);
  if (!above) {
    is_dropping_ = false;
    return false;
  }
  if (is_dropping_) {
    if (now < next_) return false;
    ++count_;
    schedule(next_, settings.interval);
    return true;
  }
  is_dropping_ = true;
  const std::uint32_t delta = count_ - last_count_;
  const bool is_recent = next_ != kNever && now - next_ < 16 * settings.interval;
  count_ = delta > 1 && is_recent ? delta : 1;
  last_count_ = count_;
  schedule(now, settings.interval);
  return true;
}

}  // namespace wanbond
