// Congestion control of the TCP model: how much may be in flight. CUBIC of RFC 9438; others get the
// same four functions.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace wanbond::sim {

/// Window in bytes. Pure: time and measurements come in.
class Cubic {
 public:
  explicit Cubic(std::uint32_t mss_bytes) noexcept;

  std::uint64_t window_bytes() const noexcept { return static_cast<std::uint64_t>(window_); }
  /// `acked_bytes` were newly acknowledged outside of recovery while the window was the limit.
  void on_ack(Time now, std::uint64_t acked_bytes, Duration srtt) noexcept;
  /// A loss was found; once per recovery (RFC 9438 4.6).
  void on_loss() noexcept;
  /// The retransmission timer expired.
  void on_timeout() noexcept;

 private:
  double mss_;
  double window_;
  double threshold_;         // slow start below
  double window_max_ = 0;    // before the last reduction
  double reno_window_ = 0;   // what Reno would have (RFC 9438 4.3)
  Time epoch_ = kNever;      // start of this growth, kNever: not begun
  double plateau_at_s_ = 0;  // K
};

}  // namespace wanbond::sim
