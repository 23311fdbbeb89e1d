// HoldDown: flap damping. A path that keeps failing is kept away for a while after it came back.
#pragma once

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
  /// True while the path, though up, should not be preferred.
  bool is_held(Time now) const noexcept { return now < release_at_; }
  /// When is_held() ends; kNever when it is not held.
  Time next_timeout(Time now) const noexcept { return is_held(now) ? release_at_ : kNever; }
  Duration hold() const noexcept { return hold_; }

 private:
  static constexpr std::size_t kDownsForHold = 3;
  std::array<Time, kDownsForHold> downs_{};  // the latest, as a ring
  std::size_t count_ = 0;
  Duration hold_{};
  Time stable_since_{};
  Time release_at_{};
};

}  // namespace wanbond
