// Time as the core sees it: a monotonic clock without now(). Whoever needs the time is given it,
// so a state machine can run in the simulator. A steady_clock time does not convert to Time.
#pragma once

#include <chrono>
#include <cstdint>

namespace wanbond {

/// The node's monotonic clock. Only the driver and the simulator make its time points.
struct Clock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;
};

using Time = Clock::time_point;
using Duration = Clock::duration;
using namespace std::chrono_literals;

/// "No timer is armed."
inline constexpr Time kNever = Time::max();

/// Wall clock, only for the freshness stamp of the handshake: nanoseconds since 1970 (UTC).
struct WallTime {
  std::int64_t unix_ns = 0;
  friend constexpr auto operator<=>(const WallTime&, const WallTime&) = default;
};

/// Whole milliseconds, rounded down; for messages and JSON.
constexpr double to_ms(Duration d) noexcept { return static_cast<double>(d.count()) / 1e6; }

}  // namespace wanbond
