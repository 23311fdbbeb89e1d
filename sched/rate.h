// RateController: how fast a path may be fed so that its own buffer holds about 2 ms
// (scheduling 5.4 as amended). Decides the rate R from what the PathModel measures; remembers the
// capacity C over outages. One per path.
#pragma once

#include <cstdint>

#include "base/time.h"
#include "sched/path_model.h"
#include "sched/train.h"
#include "sched/units.h"

namespace wanbond {

/// Phases: Start (trains, then doubling), Steady (delay control, in two forms: with and without
/// jitter). A cut by the loss test is undone if loss does not follow the rate.
class RateController {
 public:
  RateController() noexcept : RateController(Duration{}) {}
  /// `stagger` moves the periodic drain, so that two paths do not drain at once.
  explicit RateController(Duration stagger) noexcept : drain_at_(Time{} + kDrainFirst + stagger) {}

  /// A report on a train of ours, of which the newest had so many probes.
  void on_train(Time now, const PathModel& path, const TrainReport& train, unsigned count) noexcept;
  /// After PathModel::on_report().
  void on_report(Time now, const PathModel& path) noexcept;
  /// The path is back after an outage: half of what it could do, then growth.
  void on_return(Time now) noexcept;
  /// Starts from what was learnt earlier (bytes per second).
  void remember(BytesPerSecond capacity) noexcept;

  /// R: what the Gate is set to.
  BytesPerSecond rate() const noexcept { return rate_; }
  /// C: what the path can do, in bytes per second of datagrams.
  BytesPerSecond capacity() const noexcept { return capacity_; }
  /// Cmax: the most that it could do of late.
  BytesPerSecond best() const noexcept { return best_; }
  /// A train has told at least roughly what the path can do.
  bool has_train() const noexcept { return has_train_; }
  bool is_starting() const noexcept { return phase_ == Phase::Start; }
  /// q*: the queue that is aimed at.
  static Duration queue_target(const PathModel& path, BytesPerSecond capacity) noexcept;

  /// Another machine decides for a while: the elasticity test and compete mode.
  void override_rate(BytesPerSecond rate) noexcept { rate_ = rate; }
  void set_capacity(BytesPerSecond capacity) noexcept { capacity_ = capacity; }
  void lower_best() noexcept { best_ = capacity_ > best_ / 2 ? capacity_ : best_ / 2; }

  /// Never slower than this: 0.5 Mbit/s.
  static constexpr BytesPerSecond kRateMin = 62'500;

 private:
  enum class Phase : std::uint8_t { Start, Steady };
  enum class Cycle : std::uint8_t { Up, Down, Cruise };
  static constexpr Duration kDrainFirst = 3s;

  void start(Time now, const PathModel& path, double dt) noexcept;
  void hold_queue(Time now, const PathModel& path, double dt) noexcept;
  double follow_down(const PathModel& path, Duration target) const noexcept;
  void grow(Time now, const PathModel& path, double dt) noexcept;
  void follow_jittery(Time now, const PathModel& path, double dt) noexcept;
  void track_jittery(Time now, const PathModel& path, double dt, double excess_s) noexcept;
  void cycle_jittery(Time now, const PathModel& path, bool is_high) noexcept;
  double cycle_gain() const noexcept;
  void judge_loss(Time now, const PathModel& path) noexcept;
  void begin_loss_test(Time now, const PathModel& path) noexcept;
  void end_loss_test(Time now, double loss) noexcept;

  Phase phase_ = Phase::Start;
  BytesPerSecond rate_ = 1.25e6, capacity_ = 1.25e6, best_ = 0;
  Time reported_{};

  std::uint8_t train_ = 0;  // number of the last one used
  bool has_train_ = false;
  std::uint8_t seen_train_ = 0, seen_packets_ = 0;  // of the last report on one
  BytesPerSecond train_best_ = 0;
  Time train_at_{};
  static constexpr unsigned kTrainRates = 8;
  BytesPerSecond train_rates_[kTrainRates]{};  // of robust ones
  unsigned train_count_ = 0;

  double growth_ = 0.05;  // g
  Time growth_at_{}, backlogged_since_ = kNever, hold_until_{}, drain_at_, drain_until_{};

  Cycle cycle_ = Cycle::Up;
  Time cycle_since_{};
  BytesPerSecond cycle_capacity_ = 0;
  bool is_new_cycle_ = true;
  BytesPerSecond peak_now_ = 0, peak_before_ = 0;  // of the delivered rate, jittery paths
  Duration peak_time_{};

  std::uint32_t round_ = 0;
  unsigned lossy_rounds_ = 0;  // a bit for each of the last ones
  unsigned severe_rounds_ = 0;
  double tolerance_ = 0.015;
  bool is_testing_loss_ = false;
  Time loss_test_end_{};
  double loss_before_ = 0, test_loss_sum_ = 0, test_rounds_ = 0;
  BytesPerSecond capacity_before_ = 0, delivered_before_ = 0;
  BytesPerSecond ceiling_ = 0;
  Time ceiling_at_{};
};

}  // namespace wanbond
