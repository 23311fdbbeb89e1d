// HostClock: one machine's monotonic and wall clocks, which need not agree with the World's.
#pragma once

#include "base/time.h"

namespace wanbond::sim {

/// Runs from the World's first second on, faster by `drift_ppm`. The wall clock can be set.
class HostClock {
 public:
  HostClock(Duration offset, std::int64_t drift_ppm) noexcept
      : offset_(offset), drift_ppm_(drift_ppm) {}

  Time local(Time world) const noexcept {
    const std::int64_t since = (world - kBegin).count();
    const std::int64_t gained =
        since / kMillion * drift_ppm_ + since % kMillion * drift_ppm_ / kMillion;
    return kBegin + offset_ + Duration(since + gained);
  }
  /// The first World time at which local() is at least `time`; kNever stays.
  Time world(Time time) const noexcept {
    if (time == kNever) return kNever;
    const std::int64_t since = (time - kBegin - offset_).count();
    Time guess =
        kBegin + Duration(since / (kMillion + drift_ppm_) * kMillion +
                          since % (kMillion + drift_ppm_) * kMillion / (kMillion + drift_ppm_));
    while (local(guess) < time) guess += Duration(1);
    return guess;
  }
  WallTime wall(Time world) const noexcept {
    return {kWallBegin + (local(world) - kBegin).count() + wall_shift_.count()};
  }
  /// As `date -s` would: forward or back by `shift`.
  void shift_wall(Duration shift) noexcept { wall_shift_ += shift; }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  static constexpr Time kBegin{1s};
  static constexpr std::int64_t kWallBegin = 1'750'000'000'000'000'000;  // June 2025

  Duration offset_;
  std::int64_t drift_ppm_;
  Duration wall_shift_{};
};

}  // namespace wanbond::sim
