#include "sched/hold_down.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kFlapWindow = 30s;
constexpr Duration kMemory = 5min;
constexpr Duration kHoldMin = 1s;
constexpr Duration kHoldMax = 60s;
constexpr Duration kStable = 60s;

}  // namespace

void HoldDown::on_down(Time now) noexcept {
  for (Time t = stable_since_ + kStable; t <= now && hold_ > Duration::zero(); t += kStable)
    hold_ = hold_ > kHoldMin ? hold_ / 2 : Duration::zero();
  const Time last = downs_[(count_ + kDownsForHold - 1) % kDownsForHold];
  const Time second_last = downs_[(count_ + kDownsForHold - 2) % kDownsForHold];
  if (hold_ > Duration::zero() && now - last <= kMemory)
    hold_ = std::min(hold_ * 2, kHoldMax);
  else if (count_ + 1 >= kDownsForHold && now - second_last <= kFlapWindow)
    hold_ = kHoldMin;
  downs_[count_++ % kDownsForHold] = now;
  release_at_ = Time{};
}

void HoldDown::on_up(Time now) noexcept {
  stable_since_ = now;
  release_at_ = now + hold_;
}

}  // namespace wanbond
