// HoldDown: flap damping. A path that keeps failing is kept away for a while after it came back.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/time.h"

namespace wanbond {

/// Three downs within 30 s: after its return the path waits 1 s; each further down within 5 min
/// doubles the wait, to 60 s at most; each stable minute halves it (protocol 3.3, decisions 17).
/// Never to be applied when no other path is up: that is the caller's rule.
class HoldDown {
 public:
  void on_down(Time now) noexcept;
  void on_up(Time now) noexcept;
  /// What is repaired waits no longer than this. It loses nothing, but while all of it takes one
  /// path at a time each move costs a detection time.
  static constexpr Duration kRepairedMax = 500ms;

  /// True while the path, though up, should not be preferred.
  bool is_held(Time now) const noexcept { return now < release_at_; }
  /// The same for flows that are repaired.
  bool is_held_repaired(Time now) const noexcept { return now < repaired_release_at(); }
  /// When one of the two ends; kNever when it is not held.
  Time next_timeout(Time now) const noexcept {
    if (is_held_repaired(now)) return repaired_release_at();
    return is_held(now) ? release_at_ : kNever;
  }
  Duration hold() const noexcept { return hold_; }

 private:
  Time repaired_release_at() const noexcept {
    return std::min(release_at_, stable_since_ + kRepairedMax);
  }
  static constexpr std::size_t kDownsForHold = 3;
  std::array<Time, kDownsForHold> downs_{};  // the latest, as a ring
  std::size_t count_ = 0;
  Duration hold_{};
  Time stable_since_{};
  Time release_at_{};
};

}  // namespace wanbond
