#include "sched/rate.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace wanbond {
namespace {

constexpr Duration kQueueTarget = 2ms;  // q*
constexpr double kGain = 0.5;           // k
// With netem's jitter a link is busy only while a queue of nearly 3 sigma stands.
constexpr double kJitterQueue = 2.0;
constexpr double kFollowDown = 0.5, kFollowUp = 0.25;
constexpr double kGrowthFirst = 0.05, kGrowthStep = 1.6, kGrowthMax = 0.6, kGrowthNearBest = 0.15;
constexpr double kGrowthAtCeiling = 0.004;
constexpr double kGrowthOverDelivered = 1.3;
constexpr double kDrain = 0.85;
constexpr Duration kDrainEvery = 5s;
constexpr double kBestDecay = 0.9997;
constexpr double kReturn = 0.5;
constexpr unsigned kTrainUsable = 8;
constexpr double kTrainShare = 0.95;
constexpr double kHeadroom = 2;  // where the path is no bottleneck
constexpr double kKeepsUp = 0.97;
constexpr Duration kQueueIdle = 8ms;  // of a path that nobody fills: a busy machine's delay
constexpr double kFollowDoubt = 0.05;
constexpr double kToleranceMin = 0.015;

}  // namespace

Duration RateController::queue_target(const PathModel& path, BytesPerSecond capacity) noexcept {
  return std::max({kQueueTarget, scaled(path.spread(), 0.6),
                   time_for(2 * kFullBytes, std::max(capacity, 1e4))});
}

void RateController::remember(BytesPerSecond capacity) noexcept {
  capacity_ = rate_ = std::max(capacity, kRateMin);
  best_ = capacity_;
  train_best_ = capacity_;
  has_train_ = true;
  phase_ = Phase::Steady;
}

void RateController::on_return(Time now) noexcept {
  capacity_ = rate_ = std::max(capacity_ * kReturn, 2 * kRateMin);
  backlogged_since_ = kNever;
  is_testing_loss_ = false;
  lossy_rounds_ = severe_rounds_ = 0;
  hold_until_ = now;
  reported_ = now;
}

void RateController::on_train(Time now, const PathModel& path, const TrainReport& train,
                              unsigned count) noexcept {
  if (train.number == 0 || train.packets < kTrainUsable) return;
  if (train.number == seen_train_ && train.packets == seen_packets_) return;
  seen_train_ = train.number;
  seen_packets_ = train.packets;
  train_at_ = now;
  const bool is_whole = train.packets + 1U >= count;
  has_train_ = true;
  if (phase_ != Phase::Start && !path.is_jittery()) return;
  if (path.is_jittery()) {
    if (!is_whole || train.number == train_) return;
    train_ = train.number;
    train_rates_[train_count_++ % kTrainRates] = kTrainShare * train.robust_rate();
    BytesPerSecond sorted[kTrainRates];
    const unsigned rates = std::min(train_count_, kTrainRates);
    std::copy(train_rates_, train_rates_ + rates, sorted);
    std::nth_element(sorted, sorted + rates / 2, sorted + rates);
    capacity_ = rate_ = train_best_ = sorted[rates / 2];
    best_ = std::max(best_, capacity_);
    return;
  }
  capacity_ = rate_ = std::max(train_best_, kTrainShare * train.rate());
  if (!is_whole) return;
  train_ = train.number;
  train_best_ = capacity_;
  phase_ = Phase::Steady;
}

void RateController::on_report(Time now, const PathModel& path) noexcept {
  const double dt = std::min(0.05, seconds(now - reported_));
  reported_ = now;
  if (path.outruns_us()) {
    round_ = path.rounds();
    phase_ = Phase::Steady;
    capacity_ = rate_ = best_ = std::max(capacity_, kHeadroom * path.delivered());
    return;
  }
  if (path.rounds() != round_) {
    round_ = path.rounds();
    judge_loss(now, path);
  }
  if (path.is_jittery() && phase_ == Phase::Start && train_best_ > 0) {
    phase_ = Phase::Steady;
    cycle_ = Cycle::Up;
    cycle_capacity_ = capacity_;
    is_new_cycle_ = true;
    cycle_since_ = now;
  }
  if (phase_ == Phase::Start)
    start(now, path, dt);
  else if (path.is_jittery())
    follow_jittery(now, path, dt);
  else
    hold_queue(now, path, dt);
  if (path.queue() < 2 * kQueueTarget) best_ = std::max(capacity_, best_ * kBestDecay);
  rate_ = std::max(rate_, kRateMin);
}

void RateController::start(Time now, const PathModel& path, double dt) noexcept {
  const bool loaded = path.is_backlogged() || path.is_busy();
  if (loaded && path.queue() > std::max<Duration>(4ms, path.jitter()) && now - train_at_ > 100ms) {
    phase_ = Phase::Steady;
    if (path.delivered() > 0) capacity_ = path.delivered() / (1 - std::min(path.loss(), 0.1));
  } else if (path.is_backlogged()) {
    double doubled = capacity_ * std::exp2(dt / seconds(path.round_trip()));
    if (path.delivered() > 0)
      doubled = std::min(doubled, std::max(2.2 * path.delivered(), capacity_));
    capacity_ = doubled;
  }
  rate_ = capacity_;
}

void RateController::hold_queue(Time now, const PathModel& path, double dt) noexcept {
  const Duration target = queue_target(path, capacity_);
  const double survived = 1 - std::min(path.loss(), 0.1);
  if (path.is_busy() && path.delivered() > 0) {
    const double measured = path.delivered() / survived;
    if (measured >= capacity_)
      capacity_ += kFollowUp * (measured - capacity_);
    else
      capacity_ += follow_down(path, target) * (measured - capacity_);
    growth_ = kGrowthFirst;
    growth_at_ = now;
  } else if (path.is_fresh() && path.is_backlogged() && path.queue() < target &&
             now > hold_until_) {
    grow(now, path, dt);
  }
  if (!path.is_backlogged()) backlogged_since_ = kNever;
  const double gain = kGain / (seconds(path.round_trip()) + seconds(path.queue_window()) / 2 +
                               seconds(path.rate_window()) / 4);
  double factor = std::clamp(1 + gain * seconds(target - path.queue()), 0.1, 1.25);
  if (now > drain_at_) {
    drain_at_ = now + kDrainEvery;
    drain_until_ = now + path.round_trip() + 20ms;
  }
  if (now < drain_until_) factor = std::min(factor, kDrain);
  rate_ = capacity_ * factor;
  if (now < hold_until_ && path.queue() < target / 2) rate_ = std::min(rate_, capacity_);
}

/// How fast the capacity follows a lower measurement. A machine that is busy delays packets, too: a
/// path that delivers what it is fed keeps up, whatever seems to stand in it; and a flow that sends
/// less than it may says nothing of the path.
double RateController::follow_down(const PathModel& path, Duration target) const noexcept {
  if (!path.is_backlogged()) return path.queue() < target + kQueueIdle ? 0 : kFollowDown;
  return path.delivered() > kKeepsUp * rate_ ? kFollowDoubt : kFollowDown;
}

void RateController::grow(Time now, const PathModel& path, double dt) noexcept {
  if (backlogged_since_ == kNever) backlogged_since_ = now;
  if (now - backlogged_since_ <= path.round_trip()) return;
  if (now - growth_at_ > 2 * path.round_trip()) {
    growth_ = std::min(growth_ * kGrowthStep, kGrowthMax);
    growth_at_ = now;
  }
  double growth = growth_;
  if (capacity_ > 0.9 * best_) growth = std::min(growth, kGrowthNearBest);
  if (ceiling_ > 0 && now - ceiling_at_ < 20s && capacity_ > 0.98 * ceiling_)
    growth = std::min(growth, kGrowthAtCeiling);
  double grown = capacity_ * (1 + growth * dt / seconds(path.round_trip()));
  if (path.delivered() > 0)
    grown = std::min(grown, std::max(capacity_, kGrowthOverDelivered * path.delivered()));
  capacity_ = grown;
}

// With jitter the least delay of a window says little about the queue: the rate goes up and down in
// cycles, and the capacity is the best that was delivered.
void RateController::follow_jittery(Time now, const PathModel& path, double dt) noexcept {
  const Duration target = std::max(kQueueTarget, scaled(path.spread(), kJitterQueue));
  const bool is_high = path.queue() > target + path.spread() / 2;
  if (path.is_backlogged()) track_jittery(now, path, dt, seconds(path.queue() - target));
  cycle_jittery(now, path, is_high);
  const double gain = kGain / (seconds(path.round_trip()) + seconds(path.queue_window()) / 2 +
                               seconds(path.rate_window()) / 4);
  const double factor = std::clamp(1 + gain * seconds(target - path.queue()), 0.5, 1.0);
  const bool climbs = cycle_ == Cycle::Up && !is_high;
  rate_ = capacity_ * cycle_gain() * (climbs ? 1 : factor);
}

void RateController::track_jittery(Time now, const PathModel& path, double dt,
                                   double excess_s) noexcept {
  (void)now;
  const double measured = path.delivered() / (1 - std::min(path.loss(), 0.1));
  const bool is_high = excess_s > seconds(path.spread()) / 2;
  peak_time_ += from_seconds(dt);
  if (peak_time_ > (peak_before_ > 0 ? Duration{1500ms} : Duration{500ms})) {
    peak_before_ = peak_now_;
    peak_now_ = 0;
    peak_time_ = {};
  }
  peak_now_ = std::max(peak_now_, measured);
  const double peak = std::max(peak_now_, peak_before_);
  if (measured > capacity_ && !is_high)
    capacity_ += 0.3 * (measured - capacity_);
  else if (peak_before_ > 0 && peak < 0.97 * capacity_)
    capacity_ = peak;
  if (is_high && capacity_ > 0.85 * measured) capacity_ *= 1 - std::min(0.3, excess_s / 0.1) * dt;
}

void RateController::cycle_jittery(Time now, const PathModel& path, bool is_high) noexcept {
  const Duration length = path.round_trip() + path.rate_window() + 20ms;
  const Duration age = now - cycle_since_;
  const auto enter = [&](Cycle cycle) {
    cycle_ = cycle;
    cycle_since_ = now;
  };
  switch (cycle_) {
    case Cycle::Up:
      if (capacity_ > 1.05 * cycle_capacity_) {
        cycle_capacity_ = capacity_;
        cycle_since_ = now;
      }
      if ((now - cycle_since_ > length && path.is_backlogged()) ||
          (is_high && now - cycle_since_ > length / 2)) {
        is_new_cycle_ = false;
        enter(Cycle::Down);
      }
      break;
    case Cycle::Down:
      if ((age > length / 2 && !is_high) || age > 2 * length) enter(Cycle::Cruise);
      break;
    case Cycle::Cruise:
      if (age <= 1s || is_high) break;
      cycle_capacity_ = capacity_;
      enter(Cycle::Up);
      break;
  }
}

double RateController::cycle_gain() const noexcept {
  if (cycle_ == Cycle::Down) return 0.8;
  if (cycle_ == Cycle::Cruise) return 1.0;
  return is_new_cycle_ || best_ <= 0 || capacity_ < 0.9 * best_ ? 1.6 : 1.25;
}

// Loss by itself is not congestion. The rate is cut once as a test: if loss follows, there is a
// policer or a shallow buffer, and that is its rate; else the loss is the link's own.
void RateController::judge_loss(Time now, const PathModel& path) noexcept {
  const double loss = path.last_round_loss();
  tolerance_ = std::max(kToleranceMin, tolerance_ * 0.9995);
  lossy_rounds_ = lossy_rounds_ << 1 | (loss > tolerance_ && path.last_round_lost() >= 3 ? 1 : 0);
  const bool severe =
      loss > 0.1 + 2.5 * path.loss() && path.is_backlogged() && path.last_round_lost() >= 5;
  severe_rounds_ = severe ? severe_rounds_ + 1 : 0;
  if (severe_rounds_ >= 2) {
    severe_rounds_ = 0;
    if (path.delivered() > 0) capacity_ = std::min(capacity_, path.delivered());
    growth_ = 0.02;
    hold_until_ = std::max(hold_until_, now + 500ms);
  }
  if (is_testing_loss_) {
    test_loss_sum_ += loss;
    ++test_rounds_;
    if (now > loss_test_end_) end_loss_test(now, test_loss_sum_ / test_rounds_);
  } else if (std::popcount(lossy_rounds_ & 15U) >= 3 && path.is_backlogged()) {
    begin_loss_test(now, path);
  }
}

void RateController::begin_loss_test(Time now, const PathModel& path) noexcept {
  is_testing_loss_ = true;
  loss_before_ = path.loss();
  capacity_before_ = capacity_;
  delivered_before_ = path.delivered();
  capacity_ = std::min(capacity_, std::max(path.delivered(), 0.7 * capacity_)) * 0.9;
  loss_test_end_ = now + std::max<Duration>(10 * path.round_trip(), 1500ms);
  hold_until_ = loss_test_end_;
  test_loss_sum_ = test_rounds_ = 0;
  phase_ = Phase::Steady;
}

void RateController::end_loss_test(Time now, double loss) noexcept {
  is_testing_loss_ = false;
  lossy_rounds_ = 0;
  if (loss < 0.35 * loss_before_) {
    ceiling_ = std::min(capacity_before_, delivered_before_);
    capacity_ = 0.985 * ceiling_;
    ceiling_at_ = now;
    growth_ = 0.02;
    return;
  }
  capacity_ = std::max(capacity_, capacity_before_ * 0.98);
  tolerance_ = std::max(tolerance_, 2.5 * std::max(loss, loss_before_) + 0.01);
  hold_until_ = now;
}

}  // namespace wanbond
