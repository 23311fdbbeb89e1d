// TrainMeter: how fast a train of probe packets came out of a path; the first estimate of its
// capacity (scheduling 5.4). One per path, on the receiving side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "sched/units.h"

namespace wanbond {

/// What is known of the newest train.
struct TrainReport {
  std::uint8_t number = 0;   // counts trains from 1 on, wraps; 0: none yet
  std::uint8_t packets = 0;  // that have arrived
  std::uint16_t bytes = 0;   // of each
  Duration span{};           // from the first to the last
  Duration gap_median{};     // between neighbours

  /// Rate of dispersion; 0 with fewer than two packets. What has stood still and then let the rest
  /// go at once makes the span too short, and leaves most gaps as they were.
  BytesPerSecond rate() const noexcept;
  /// The same on a path with jitter, where a single late packet stretches the span.
  BytesPerSecond robust_rate() const noexcept;
};

/// A train to be sent.
struct TrainSize {
  unsigned count = 0;           // probes; 0: none
  std::uint16_t bytes_max = 0;  // of UDP payload, of each
};

/// A silence of 150 ms ends a train.
class TrainMeter {
 public:
  static constexpr std::size_t kPacketsMax = 64;

  /// A packet of a train arrived; receiver's clock.
  void on_packet(Duration at, std::uint16_t bytes) noexcept;
  TrainReport report() const noexcept;

 private:
  std::array<Duration, kPacketsMax> gaps_{};
  TrainReport newest_;
  Duration first_{}, last_{};
};

}  // namespace wanbond
