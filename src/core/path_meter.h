// PathMeter: what the receiving side of a path saw in time, and its words in a report. Station 6 of
// the way in.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/time.h"
#include "sched/slot.h"
#include "sched/train.h"

namespace wanbond {

/// Delays are unwrapped against the first one, along time: only their differences mean something.
class PathMeter {
 public:
  /// An authentic packet with this stamp, `bytes` of UDP payload, reached this box at that time.
  void on_packet(Time arrived, std::uint16_t stamp, std::uint32_t bytes, ArrivalKind kind) noexcept;
  /// Writes the blocks of a report.
  void write_blocks(Time now, ByteWriter& out) noexcept;

 private:
  SlotMeter slots_;
  TrainMeter train_;
  std::uint16_t delay_stamp_ = 0;  // of the last packet
  Duration delay_{};               // the same, unwrapped
  Duration at_{};                  // the same: when it arrived
  bool is_started_ = false;
};

}  // namespace wanbond
