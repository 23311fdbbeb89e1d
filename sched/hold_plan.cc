#include "sched/hold_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace wanbond {
namespace {

constexpr double kShareMin = 0.06;     // of the sum; below, a path is not worth it
constexpr double kHorizon = 10;        // seconds
constexpr double kFirstWindow = 15e3;  // bytes: ten segments (RFC 6928)
constexpr double kGainMin = 1.03;
constexpr double kLossMax = 0.001, kFarther = 2, kSmall = 0.3;
constexpr double kDelayFollow = 0.002;  // downwards, per update
constexpr double kLongerMax = 1.25;     // BBR bears twice its shortest round trip
constexpr Duration kMargin = 2ms;

BondPathMask bit(std::uint8_t path) noexcept { return static_cast<BondPathMask>(1U << path); }

}  // namespace

BondPathMask HoldPlan::choose(std::span<const HoldOutlook> paths, Duration reverse) const noexcept {
  std::array<HoldOutlook, kBondPathsMax> sorted{};
  std::size_t count = 0;
  BytesPerSecond sum = 0;
  for (const HoldOutlook& path : paths) sum += path.capacity;
  for (const HoldOutlook& path : paths) {
    if (path.capacity < kShareMin * sum) continue;
    std::size_t at = count++;
    for (; at > 0 && sorted[at - 1].hold > path.hold; --at) sorted[at] = sorted[at - 1];
    sorted[at] = path;
  }
  BondPathMask best_mask = 0, mask = 0;
  double best = -std::numeric_limits<double>::infinity(), capacity = 0;
  for (std::size_t i = 0; i < count; ++i) {
    capacity += sorted[i].capacity;
    mask |= bit(sorted[i].path);
    const double round_trip = std::max(1e-3, seconds(sorted[i].hold + reverse));
    const double doublings = std::log2(capacity * round_trip / kFirstWindow);
    const double done = capacity * (kHorizon - round_trip * std::max(0.0, doublings));
    if (i > 0 && done <= best * kGainMin) continue;
    best = done;
    best_mask = mask;
  }
  return best_mask;
}

bool HoldPlan::has_any(std::span<const HoldOutlook> paths) const noexcept {
  return std::any_of(paths.begin(), paths.end(),
                     [&](const HoldOutlook& path) { return (paths_ & bit(path.path)) != 0; });
}

BondPathMask HoldPlan::near(std::span<const HoldOutlook> paths, Duration reverse) const noexcept {
  BondPathMask mask = 0;
  for (const HoldOutlook& path : paths)
    if (path.hold + reverse + kMargin <= scaled(round_trip_, kLongerMax)) mask |= bit(path.path);
  return mask;
}

void HoldPlan::update(Time now, std::span<const HoldOutlook> paths, Duration reverse) noexcept {
  if (paths.empty()) return;
  const bool is_kept = now <= kept_until_ && has_any(paths);
  const BondPathMask before = paths_;
  if (now > frozen_until_ || paths_ == 0) {
    const BondPathMask chosen = choose(paths, reverse);
    paths_ = is_kept ? static_cast<BondPathMask>(paths_ | (chosen & near(paths, reverse))) : chosen;
  }
  Duration least = Duration::max();
  BytesPerSecond sum = 0;
  for (const HoldOutlook& path : paths) {
    least = std::min(least, path.hold);
    sum += path.capacity;
  }
  const Duration farther = scaled(least + reverse, kFarther);
  Duration delay = Duration::min();
  arrival_ = Duration::min();
  for (const HoldOutlook& path : paths) {
    if ((paths_ & bit(path.path)) == 0) continue;
    if (path.loss > kLossMax && path.hold + reverse > farther && path.capacity < kSmall * sum) {
      paths_ &= static_cast<BondPathMask>(~bit(path.path));
      continue;
    }
    delay = std::max(delay, path.hold);
    arrival_ = std::max(arrival_, path.arrival);
  }
  if (delay == Duration::min()) return;
  delay += reverse + kMargin;
  const bool is_wider = (paths_ & ~before) != 0;
  if (now <= frozen_until_ || (is_kept && !is_wider)) {
    // The sender would take a change for a queue (HyStart), or send too little for it (BBR).
    const Duration free = std::clamp<Duration>(frozen_round_trip_ / 16, 2ms, 8ms);
    round_trip_ = std::clamp(delay, round_trip_, std::max(round_trip_, frozen_round_trip_ + free));
    return;
  }
  round_trip_ = std::max(delay, round_trip_ - scaled(round_trip_ - delay, kDelayFollow));
}

}  // namespace wanbond
