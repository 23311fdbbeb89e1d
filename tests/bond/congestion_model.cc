#include "tests/bond/congestion_model.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "sched/units.h"

namespace wanbond::bond {
namespace {

constexpr double kBeta = 0.7, kC = 0.4;
constexpr double kHystartWindow = 16;
constexpr unsigned kHystartSamples = 8;
constexpr Duration kHystartTrain = 2ms;
constexpr std::array<double, 8> kBbrGains{1.25, 0.75, 1, 1, 1, 1, 1, 1};
constexpr Duration kBbrRoundTripWindow = 10s;

void keep_max(std::deque<std::pair<std::uint64_t, double>>& window, std::uint64_t round,
              double value) {
  while (!window.empty() && window.back().second <= value) window.pop_back();
  window.emplace_back(round, value);
  while (window.front().first + 10 < round) window.pop_front();
}

}  // namespace

void CubicModel::on_ack(const AckSample& sample) noexcept {
  if (sample.rtt > Duration{}) {
    if (delay_min_ == Duration{} || sample.rtt < delay_min_) delay_min_ = sample.rtt;
    detect_full(sample);
  }
  if (sample.in_recovery || sample.newly == 0 || !sample.is_window_limited) return;
  grow(sample);
}

// HyStart: slow start ends when acknowledgements come as a train of half a round trip, or when the
// first samples of a round are late.
void CubicModel::detect_full(const AckSample& sample) noexcept {
  if (window_ >= threshold_ || found_ || window_ < kHystartWindow) return;
  if (sample.acknowledged >= round_end_) {
    round_end_ = sample.next;
    round_start_ = train_end_ = sample.now;
    round_min_ = {};
    round_samples_ = 0;
  }
  if (sample.now - train_end_ <= kHystartTrain) {
    train_end_ = sample.now;
    found_ = sample.now - round_start_ > delay_min_ / 2;
  }
  if (round_samples_ < kHystartSamples) {
    round_min_ = round_samples_ == 0 ? sample.rtt : std::min(round_min_, sample.rtt);
    ++round_samples_;
  } else if (round_min_ > delay_min_ + std::clamp<Duration>(delay_min_ / 8, 4ms, 16ms)) {
    found_ = true;
  }
  if (found_) threshold_ = window_;
}

void CubicModel::grow(const AckSample& sample) noexcept {
  const double acked = sample.newly;
  if (window_ < threshold_) {
    window_ += std::min(acked, threshold_ - window_);
    if (window_ < threshold_) return;
  }
  if (epoch_ == kNever) {
    epoch_ = sample.now;
    origin_ = std::max(window_, window_max_);
    plateau_s_ = std::cbrt((origin_ - window_) / kC);
    reno_ = window_;
  }
  const double t = seconds(sample.now - epoch_ + delay_min_) - plateau_s_;
  const double target = std::min(origin_ + kC * t * t * t, 1.5 * window_);
  const double step = target > window_ ? (target - window_) / window_ : 0.01 / window_;
  reno_ += 3 * (1 - kBeta) / (1 + kBeta) * acked / window_;
  window_ = std::max(window_ + std::min(step, 0.5) * acked, reno_);
}

void CubicModel::on_loss() noexcept {
  window_before_ = window_;
  threshold_before_ = threshold_;
  window_max_ = window_ < window_max_ ? window_ * (1 + kBeta) / 2 : window_;
  threshold_ = window_ = std::max(2.0, window_ * kBeta);
  epoch_ = kNever;
}

void CubicModel::on_timeout() noexcept {
  on_loss();
  window_ = 2;
}

void CubicModel::undo() noexcept {
  window_ = std::max(window_, window_before_);
  threshold_ = std::max(threshold_, threshold_before_);
  window_max_ = std::max(window_max_, window_before_);
  epoch_ = kNever;
}

double BbrModel::pacing() const noexcept { return std::max(pacing_gain_ * rate_, 100.0); }

void BbrModel::sample_rate(const AckSample& sample) noexcept {
  const bool new_round = sample.has_rate && sample.delivered_then >= round_end_;
  if (new_round) {
    round_end_ = delivered_;
    ++rounds_;
  }
  const Duration interval =
      std::max(sample.now - sample.delivered_at_then, sample.sent - sample.first_sent);
  if (sample.has_rate && interval > Duration{} && interval >= rtt_min_) {
    keep_max(rates_, rounds_,
             static_cast<double>(delivered_ - sample.delivered_then) / seconds(interval));
    rate_ = rates_.front().second;
  }
  double expected = rate_ * seconds(sample.now - extra_since_);
  if (extra_count_ <= expected) {
    extra_since_ = sample.now;
    extra_count_ = expected = 0;
  }
  extra_count_ += sample.newly;
  keep_max(extras_, rounds_, std::clamp(extra_count_ - expected, 0.0, window_));
  if (!new_round || is_full_) return;
  if (rate_ >= full_rate_ * 1.25) {
    full_rate_ = rate_;
    full_count_ = 0;
  } else {
    is_full_ = ++full_count_ >= 3;
  }
}

void BbrModel::cycle(const AckSample& sample, double bdp) noexcept {
  const double gain = kBbrGains[phase_];
  const Duration age = sample.now - phase_at_;
  const bool may_go_on = gain == 1.25 && sample.in_flight < 1.25 * bdp && age < 3 * rtt_min_;
  const bool is_drained = gain == 0.75 && sample.in_flight <= bdp;
  if ((age > rtt_min_ && !may_go_on) || is_drained) {
    phase_ = (phase_ + 1) % kBbrGains.size();
    phase_at_ = sample.now;
  }
  pacing_gain_ = kBbrGains[phase_];
  window_gain_ = 2;
}

void BbrModel::probe_round_trip(const AckSample& sample) noexcept {
  pacing_gain_ = 1;
  if (probe_end_ == kNever && sample.in_flight <= 5) probe_end_ = sample.now + 200ms;
  if (probe_end_ == kNever || sample.now <= probe_end_) return;
  rtt_min_at_ = phase_at_ = sample.now;
  state_ = is_full_ ? State::Bandwidth : State::Startup;
  window_ = std::max(window_, prior_window_);
  phase_ = 2;
}

void BbrModel::on_ack(const AckSample& sample) noexcept {
  delivered_ += sample.newly;
  const bool is_old = sample.now - rtt_min_at_ > kBbrRoundTripWindow;
  if (sample.rtt > Duration{} && (rtt_min_ == Duration{} || sample.rtt <= rtt_min_ ||
                                  sample.now - rtt_min_at_ > kBbrRoundTripWindow + 300ms)) {
    rtt_min_ = sample.rtt;
    if (state_ != State::RoundTrip) rtt_min_at_ = sample.now;
  }
  if (sample.newly > 0) sample_rate(sample);
  const double bdp = rate_ * seconds(rtt_min_);
  if (state_ == State::Startup && is_full_) state_ = State::Drain;
  if (state_ == State::Drain) {
    pacing_gain_ = 0.35;
    if (sample.in_flight <= bdp) {
      state_ = State::Bandwidth;
      phase_ = 2 + static_cast<unsigned>(random_.next() % 6);
      phase_at_ = sample.now;
    }
  }
  if (state_ == State::Startup) pacing_gain_ = window_gain_ = 2.885;
  if (state_ == State::Bandwidth) cycle(sample, bdp);
  if (state_ == State::RoundTrip) {
    probe_round_trip(sample);
  } else if (rtt_min_ > Duration{} && is_old && sample.now - rtt_min_at_ > kBbrRoundTripWindow) {
    state_ = State::RoundTrip;
    probe_end_ = kNever;
    prior_window_ = window_;
  }
  if (state_ == State::RoundTrip) {
    window_ = 4;
    return;
  }
  const double extra = extras_.empty() ? 0 : std::min(extras_.front().second, rate_ * 0.1);
  const double target = window_gain_ * bdp + extra + 6;
  if (is_full_)
    window_ = std::min(window_ + sample.newly, target);
  else if (window_ < target || delivered_ < 10)
    window_ += sample.newly;
  window_ = std::max(window_, rate_ == 0 ? 10.0 : 4.0);
}

}  // namespace wanbond::bond
