// What the receivers of the demo's streams measure: arrivals, and the gaps between them. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"

namespace wanbond {

/// What a stream's process knows at a moment; it travels through a pipe as it is.
struct StreamSample {
  Time at{};
  std::uint64_t bytes = 0;       // since the start
  std::uint64_t packets = 0;     // likewise; of the TCP stream, 0
  std::uint64_t duplicates = 0;  // packets that came again
  Duration gap{};                // the longest between two arrivals since the last sample
  Time gap_began{};
  std::uint64_t is_last = 0;  // 1: the process has done its work
};

/// Counts arrivals on the receiver's side.
class ArrivalMeter {
 public:
  void on_arrival(Time now, std::uint64_t bytes) noexcept;
  void on_duplicate() noexcept { ++sample_.duplicates; }
  /// The sample of this moment; the next one begins.
  StreamSample take(Time now) noexcept;

 private:
  StreamSample sample_;
  Time last_arrival_{};
};

/// A gap between two arrivals.
struct StreamGap {
  Duration length{};
  Time began{};
};

/// The samples of one stream, as the demo collects them.
class StreamHistory {
 public:
  void add(const StreamSample& sample) { samples_.push_back(sample); }

  /// The newest; zeros if there is none.
  StreamSample latest() const noexcept;
  bool is_complete() const noexcept { return latest().is_last != 0; }
  /// The longest gap that was open at any time from `from` to `to`.
  StreamGap longest_gap(Time from, Time to) const noexcept;
  /// Bytes and packets that came between two moments, as exact as the samples are dense.
  StreamSample between(Time from, Time to) const noexcept;

 private:
  StreamSample at(Time time) const noexcept;

  std::vector<StreamSample> samples_;  // in the order of their times
};

}  // namespace wanbond
