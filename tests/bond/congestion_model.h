// Congestion control of the simulator's TCP: CUBIC with HyStart as Linux has it (RFC 9438), and one
// like BBR version 1. Windows are in segments.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "base/time.h"
#include "tests/sim/seeded_random.h"

namespace wanbond::bond {

enum class CongestionKind : std::uint8_t { Cubic, Bbr };

/// What an acknowledgement means to the controller.
struct AckSample {
  Time now{};
  std::uint32_t newly = 0;         // segments newly known to have arrived
  std::uint32_t acknowledged = 0;  // una: behind the last in order
  std::uint32_t next = 0;          // the next new segment
  Duration rtt{-1};                // below 0: none
  double in_flight = 0;            // segments, after the acknowledgement
  bool is_window_limited = false;
  bool in_recovery = false;
  // Of the newest segment that it acknowledges:
  std::uint64_t delivered_then = 0;
  Time delivered_at_then{}, sent{}, first_sent{};
  bool has_rate = false;
};

class CubicModel {
 public:
  double window() const noexcept { return window_; }
  double threshold() const noexcept { return threshold_; }
  void on_ack(const AckSample& sample) noexcept;
  void on_loss() noexcept;
  void on_recovered() noexcept { window_ = threshold_ < window_ ? threshold_ : window_; }
  void on_timeout() noexcept;
  void undo() noexcept;

 private:
  void detect_full(const AckSample& sample) noexcept;
  void grow(const AckSample& sample) noexcept;

  double window_ = 10, threshold_ = 1e9;
  double window_max_ = 0, plateau_s_ = 0, origin_ = 0, reno_ = 0;
  double window_before_ = 0, threshold_before_ = 0;
  Time epoch_ = kNever;
  Duration delay_min_{};
  Time round_start_{}, train_end_{};
  std::uint32_t round_end_ = 0;
  unsigned round_samples_ = 0;
  Duration round_min_{};
  bool found_ = false;
};

class BbrModel {
 public:
  explicit BbrModel(std::uint64_t seed) noexcept : random_(seed) {}
  double window() const noexcept { return window_; }
  /// Segments per second.
  double pacing() const noexcept;
  void on_ack(const AckSample& sample) noexcept;
  void on_timeout() noexcept { window_ = 4; }
  std::uint64_t delivered() const noexcept { return delivered_; }

 private:
  enum class State : std::uint8_t { Startup, Drain, Bandwidth, RoundTrip };
  void sample_rate(const AckSample& sample) noexcept;
  void cycle(const AckSample& sample, double bdp) noexcept;
  void probe_round_trip(const AckSample& sample) noexcept;

  sim::SeededRandom random_;
  State state_ = State::Startup;
  double window_ = 10, rate_ = 0, pacing_gain_ = 2.885, window_gain_ = 2.885, prior_window_ = 0;
  std::uint64_t delivered_ = 0, round_end_ = 0, rounds_ = 0;
  std::deque<std::pair<std::uint64_t, double>> rates_, extras_;
  double full_rate_ = 0;
  unsigned full_count_ = 0, phase_ = 0;
  bool is_full_ = false;
  Duration rtt_min_{};
  Time rtt_min_at_{}, phase_at_{}, probe_end_{}, extra_since_{};
  double extra_count_ = 0;
};

}  // namespace wanbond::bond
