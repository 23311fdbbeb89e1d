// PeerClock: turns the 16-bit times of a peer's reports into durations that go on: times of the
// peer's clock, and delays, which hold the offset of the two clocks. One per session.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "proto/feedback_block.h"
#include "sched/slot.h"
#include "sched/train.h"

namespace wanbond {

/// A stamp of the peer's, and when it reached this box.
struct StampedAt {
  Time at;
  std::uint16_t stamp = 0;
};

/// Right while the clocks drift less than half a wrap, 1.07 s, between two reports.
class PeerClock {
 public:
  /// When the peer wrote the CTRL with this stamp, by its own clock.
  Duration on_stamp(Time now, std::uint16_t stamp) noexcept;
  /// A slot or train of a report; after on_stamp() of the same CTRL.
  SlotReport slot(const WireSlot& wire) const noexcept;
  TrainReport train(const WireTrain& wire) const noexcept;

 private:
  Duration time(std::uint16_t stamp) const noexcept;
  Duration delay(std::uint16_t stamp) const noexcept;

  bool is_known_ = false;
  Duration offset_{};   // the peer's clock minus ours, late by the way of a report
  Duration written_{};  // of the last report
};

}  // namespace wanbond
