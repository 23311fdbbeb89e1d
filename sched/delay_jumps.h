// DelayJumps: how much longer a path falls silent than its sender, as its delay jumps. What a
// detection time must bear besides losses (protocol, BFD).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// Counts the largest jump of each 20 ms in which something arrived, so that a busy path and one
/// with heartbeats alone are judged alike; remembers 30 to 60 s of them.
class DelayJumps {
 public:
  /// A packet was `jump` longer on its way than the one that arrived before it; none or a shorter
  /// way: not positive.
  void on_jump(Time now, Duration jump) noexcept {
    if (now >= slot_end_) close_slot(now);
    if (jump > largest_) largest_ = jump;
  }
  /// What 99 of 100 spans, and all but three, have stayed below; a multiple of 4 ms, at most
  /// 256 ms; 0 before a fourth has gone above.
  Duration tail() const noexcept { return tail_; }

 private:
  static constexpr Duration kSlot = 20ms;
  static constexpr Duration kBin = 4ms;
  static constexpr std::size_t kBins = 64;
  static constexpr Duration kBucket = 30s;
  using Histogram = std::array<std::uint16_t, kBins>;

  void close_slot(Time now) noexcept;
  Duration find_tail() const noexcept;

  Histogram current_{};
  Histogram previous_{};
  Time bucket_end_{};
  Time slot_end_{};
  Duration largest_{};  // of the present slot
  Duration tail_{};
};

}  // namespace wanbond
