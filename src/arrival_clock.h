// ArrivalClock: when a datagram reached this box, by the clock of the node, from the kernel's stamp
// by the wall clock. What waited in a socket while the box had no time for it was not on its way.
#pragma once

#include <algorithm>

#include "base/time.h"

namespace wanbond {

/// One per driver. The wall clock may be set at any time: a datagram came after its socket was last
/// empty and before it was read, whatever its stamp says.
class ArrivalClock {
 public:
  /// A turn begins: the time by both clocks, before the sockets are read.
  void on_turn(Time now, WallTime wall) noexcept {
    now_ = now;
    wall_ = wall;
  }
  /// The sockets have been read.
  void on_read(Time now) noexcept { read_at_ = now; }
  /// They were left empty.
  void on_drained() noexcept { drained_at_ = now_; }

  /// Of a datagram of the present turn; without a stamp (0) when the turn began.
  Time at(WallTime stamp) const noexcept {
    if (stamp == WallTime{}) return now_;
    const Duration age{wall_.unix_ns - stamp.unix_ns};
    return std::clamp(now_ - age, drained_at_, read_at_);
  }

 private:
  Time now_{};
  WallTime wall_{};
  Time read_at_{};
  Time drained_at_{};
};

}  // namespace wanbond
