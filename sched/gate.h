// Gate: when a path may take its next packet: pacing at the controller's rate, and a cap on what
// is in flight (scheduling 5.5). One per path.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "sched/units.h"

namespace wanbond {

/// Lets `rate` bytes per second through, with no more than 100 us of it saved up; while something
/// waits, what a machine that wakes late has missed is made good.
class Gate {
 public:
  void set_rate(BytesPerSecond rate) noexcept { ns_per_byte_ = 1e9 / rate; }
  void set_cap(double bytes) noexcept { cap_bytes_ = bytes; }
  double cap_bytes() const noexcept { return cap_bytes_; }

  /// When pacing lets the next packet through; the cap is another matter.
  Time opens_at() const noexcept { return next_; }
  bool is_open(Time now) const noexcept { return next_ <= now; }
  /// False also notes that the cap held something back.
  bool has_room(double in_flight_bytes) noexcept {
    if (in_flight_bytes < cap_bytes_) return true;
    was_capped_ = true;
    return false;
  }
  /// Something waits for it to open.
  void await() noexcept { is_awaited_ = true; }
  /// Nothing does any more.
  void forsake() noexcept { is_awaited_ = false; }
  /// How long a packet would wait now.
  Duration wait(Time now) const noexcept { return std::max(Duration{}, next_ - now); }

  /// Whether what goes out now had to wait for this gate: flag B of the wire.
  bool is_limiting(Time now) const noexcept {
    return was_capped_ || is_awaited_ || now - next_ < kJustOpened;
  }
  /// `bytes` go out, be the gate open or not: repairs and what passes the queue may overdraw it, by
  /// no more than stands in a common buffer. A flow beside the queue that sends more than the path
  /// takes would else close it for as long again.
  void take(Time now, double bytes) noexcept {
    was_capped_ = false;
    next_ = std::max(next_, now - (is_awaited_ ? kLate : kSaved)) +
            Duration(static_cast<Duration::rep>(bytes * ns_per_byte_));
    next_ = std::min(next_, now + kDebtMax);
    if (next_ > now) is_awaited_ = false;
  }
  /// Forgets debts: the path was away.
  void reset(Time now) noexcept {
    next_ = now;
    was_capped_ = is_awaited_ = false;
  }

 private:
  static constexpr Duration kSaved = 100us;
  static constexpr Duration kLate = 5ms;
  static constexpr Duration kDebtMax = 100ms;
  static constexpr Duration kJustOpened = 150us;

  Time next_{};
  double ns_per_byte_ = 800;  // 10 Mbit/s
  double cap_bytes_ = 60'000;
  bool was_capped_ = false, is_awaited_ = false;
};

}  // namespace wanbond
