// Rest: when to sleep through a moment without looking, so that small packets that come fast are
// taken several at a time. A wake-up costs as much as ten of them. Pure; the driver's.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// What one turn has brought: packets of the TUN and receives, and their bytes.
struct TurnLoad {
  std::size_t count = 0;
  std::size_t bytes = 0;
};

/// Promise: no rest for a packet that comes alone, for the first dozen after a pause, for bulk, or
/// where rests bring little: whoever waits for each answer is slowed down for 1 ms in 20, and ever
/// more rarely. A rest aims at kAimed packets.
class Rest {
 public:
  /// Adds this at most to the delay of a packet.
  static constexpr Duration kLongest = 500us;
  /// Packets in one turn that are worth a wake-up; some room is left in a turn of 64.
  static constexpr std::uint32_t kAimed = 48;

  /// The turn at `now` has brought `load`. `now` never goes back.
  void on_turn(Time now, const TurnLoad& load) noexcept;
  /// Until when to sleep before the next turn looks; kNone: no rest.
  Time until() const noexcept { return until_; }
  static constexpr Time kNone{};

 private:
  /// A rest is over that brought `count`.
  void judge(Time now, std::size_t count) noexcept;

  Time last_{};              // turn before
  Time until_ = kNone;       // end of the rest after it
  std::uint32_t count_ = 0;  // what comes in kLongest, smoothed over some turns, times kScale
  std::uint64_t bytes_ = 0;  // the same of bytes
  int turns_ = 0;            // since the last pause, up to kTurnsMin
  int poor_ = 0;             // rests in a row that brought little
  Duration pause_{};         // how long it was given up the last time
  Time not_before_{};        // and until when
};

}  // namespace wanbond
