// RttEstimator: smoothed round-trip time, its variation, and the floor without our own queue.
// What the choice of path and the timers of a path rest on.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// Whether we fill the path ourselves at the moment: then its floor cannot be seen.
enum class PathLoad : std::uint8_t { Light, Heavy };

/// RFC 6298 section 2 with alpha 1/8 and beta 1/4, and a minimum over two buckets (scheduling 5.3,
/// D0). A bucket lasts 10 s under light load, so the floor follows a route change within 20 s;
/// under heavy load it lasts 60 s, so a standing queue of our own does not pass for a longer path.
class RttEstimator {
 public:
  /// One measurement; anything not positive is ignored.
  void on_sample(Time now, Duration rtt, PathLoad load) noexcept;
  /// Forgets all: the path moved to another address.
  void reset() noexcept { *this = RttEstimator(); }

  bool has_sample() const noexcept { return srtt_ > Duration::zero(); }
  /// 0 until the first sample, as the others.
  Duration srtt() const noexcept { return srtt_; }
  Duration rttvar() const noexcept { return rttvar_; }
  Duration floor() const noexcept {
    return has_sample() ? std::min(current_, previous_) : Duration::zero();
  }

 private:
  Duration srtt_{};
  Duration rttvar_{};
  Duration current_ = Duration::max();
  Duration previous_ = Duration::max();
  Time bucket_start_{};
};

}  // namespace wanbond
