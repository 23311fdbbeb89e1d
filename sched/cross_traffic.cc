#include "sched/cross_traffic.h"

#include <algorithm>
#include <cmath>

namespace wanbond {
namespace {

constexpr Duration kQueueTarget = 2ms;
constexpr double kLossMax = 0.005, kRoundLossMax = 0.02;
constexpr double kFallen = 0.75;  // of the best capacity
constexpr Duration kQueueFallen = 60ms;
constexpr double kStays = 0.7;
constexpr double kOverfeed = 1.3, kOverfeedBest = 0.25, kOverfeedTime = 0.03, kOverfeedBytes = 30e3;
constexpr double kWon = 0.35, kGrew = 1.08, kGrewJittery = 0.1, kFell = 0.85;
constexpr double kOwnAll = 0.55, kOwnSome = 0.15;
constexpr Duration kGroupLife = 60s;
constexpr double kBeta = 0.7, kC = 0.4, kReno = 0.529;  // CUBIC (RFC 9438)
constexpr double kPacing = 1.2;
constexpr double kShareMax = 0.55;  // of the best capacity; beyond, the window does not grow
constexpr double kWindowMin = 10 * kFullBytes, kWindowFirst = 20 * kFullBytes;

}  // namespace

void CrossTraffic::on_report(Time now, std::uint8_t id, std::span<const CrossView> paths) noexcept {
  Path& path = paths_[id];
  const CrossView& view = paths[id];
  if (path.is_competing) return compete(now, path, view, members(id));
  if (view.rate->is_starting() || view.model->is_jittery() || !view.model->is_fresh()) return;
  if (path.is_testing) {
    if (now > path.test_end) return end_test(now, id, paths);
    return view.rate->override_rate(path.test_rate);
  }
  const bool another_tests =
      std::any_of(paths_.begin(), paths_.end(), [](const Path& p) { return p.is_testing; });
  if (seems_taken(now, path, view) && !another_tests) begin_test(now, id, paths);
}

/// A queue that stays although we send less, or a rate that fell and stays low.
bool CrossTraffic::seems_taken(Time now, Path& path, const CrossView& view) noexcept {
  const PathModel& model = *view.model;
  const bool is_loaded = model.is_backlogged() || model.is_busy();
  const Duration queue = model.queue();
  const Duration long_enough = std::max<Duration>(4 * model.round_trip(), 200ms);
  const bool has_fallen = view.rate->capacity() < kFallen * view.rate->best();
  if (queue < std::max<Duration>(1ms, scaled(model.jitter(), 0.3)) || !is_loaded || !has_fallen)
    path.busy_since = kNever;
  else if (path.busy_since == kNever)
    path.busy_since = now;
  bool taken = model.is_busy() && model.loss() < kLossMax && path.busy_since != kNever &&
               now - path.busy_since > long_enough && queue < kQueueFallen;
  if (queue < std::max<Duration>(kQueueTarget * 5 / 2, 2 * model.jitter())) {
    path.high_since = kNever;
  } else if (path.high_since == kNever) {
    path.high_since = now;
    path.high_queue = queue;
  } else if (now - path.high_since > long_enough) {
    if (queue > scaled(path.high_queue, kStays))
      taken = true;
    else
      path.high_since = kNever;
  }
  return taken && is_loaded && now > path.test_after &&
         model.delivered() > 0.3 * view.rate->capacity() && model.last_round_loss() < kRoundLossMax;
}

void CrossTraffic::begin_test(Time now, std::uint8_t id,
                              std::span<const CrossView> paths) noexcept {
  Path& path = paths_[id];
  const PathModel& model = *paths[id].model;
  path.is_testing = true;
  path.delivered_before = model.delivered();
  for (std::size_t i = 0; i < paths.size(); ++i)
    path.others_before[i] = paths[i].model == nullptr ? 0 : paths[i].model->delivered();
  const Duration length =
      std::max<Duration>(2 * model.round_trip() + model.rate_window(), 60ms) + model.queue();
  path.test_begin = now;
  path.test_end = now + length;
  const double extra = kOverfeedTime * path.delivered_before + kOverfeedBytes;
  path.test_rate =
      std::max(kOverfeed * path.delivered_before,
               std::min(kOverfeedBest * paths[id].rate->best(),
                        path.delivered_before + extra / std::max(seconds(length), kOverfeedTime)));
  paths[id].rate->override_rate(path.test_rate);
}

void CrossTraffic::back_off(Time now, Path& path, RateController& rate) noexcept {
  path.test_after = now + path.backoff;
  path.backoff = std::min(2 * path.backoff, kBackoffMax);
  path.busy_since = path.high_since = kNever;
  rate.lower_best();
}

void CrossTraffic::end_test(Time now, std::uint8_t id, std::span<const CrossView> paths) noexcept {
  Path& path = paths_[id];
  const PathModel& model = *paths[id].model;
  RateController& rate = *paths[id].rate;
  path.is_testing = false;
  const double gain = model.delivered() - path.delivered_before;
  const bool won = gain > kWon * (path.test_rate - path.delivered_before);
  const double growth = model.delivered() / std::max(1.0, path.delivered_before);
  double own_loss = 0;
  std::size_t own = paths.size();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    if (i == id || paths[i].model == nullptr) continue;
    const double loss = path.others_before[i] - paths[i].model->delivered();
    if (gain <= 0 || loss <= 0.1 * gain || paths[i].model->queue() <= kQueueTarget / 2) continue;
    own_loss += loss;
    own = i;
  }
  const double share = gain > 0 ? own_loss / gain : 0;
  if (won && share > kOwnSome && own < paths.size()) {
    for (Path* member : {&path, &paths_[own]}) {
      member->is_grouped = true;
      member->grouped_at = now;
    }
  } else if (won && now - path.grouped_at > kGroupLife) {
    path.is_grouped = false;
  }
  if (won && share > kOwnAll) {
    back_off(now, path, rate);
    paths_[own].test_after = std::max(paths_[own].test_after, path.test_after);
    paths_[own].high_since = kNever;
    paths[own].rate->lower_best();
    return;
  }
  const double needed = kGrew + (model.jitter() > 4ms ? kGrewJittery : 0);
  if (growth > needed && won && model.queue() > kQueueTarget * 4 / 5 + model.jitter() / 2) {
    path.is_competing = true;
    const double round_trip = seconds(model.round_trip() + model.queue());
    path.window = std::max(model.delivered() * round_trip, kWindowFirst);
    path.window_max = std::max(path.window / kBeta, 0.5 * rate.best() * round_trip);
    path.epoch = path.cut_at = path.reported = now;
    path.low_since = kNever;
    path.lost_seen = model.lost_total();
    path.backoff = kBackoffFirst;
  } else if (growth < kFell) {
    path.test_after = now + 1s;
  } else {
    back_off(now, path, rate);
  }
}

/// One CUBIC for all paths of a group.
void CrossTraffic::compete(Time now, Path& path, const CrossView& view, double members) noexcept {
  const PathModel& model = *view.model;
  const double round_trip = seconds(model.round_trip() + model.queue());
  const double dt = std::min(0.05, seconds(now - path.reported));
  path.reported = now;
  if (model.lost_total() > path.lost_seen && seconds(now - path.cut_at) > round_trip) {
    path.window_max = path.window;
    path.window = std::max(path.window * kBeta, kWindowMin);
    path.cut_at = path.epoch = now;
  }
  path.lost_seen = model.lost_total();
  const double t = seconds(now - path.epoch);
  const double segments = path.window_max / kFullBytes;
  const double plateau = std::cbrt(segments * (1 - kBeta) / kC);
  const double cubic = kFullBytes * (segments + kC * std::pow(t - plateau, 3));
  const double reno = path.window_max * kBeta + kFullBytes * kReno * t / round_trip;
  const bool has_share = model.delivered() > kShareMax * view.rate->best();
  if (view.in_flight_bytes > 0.8 * path.window / members && !has_share)
    path.window =
        std::min(std::max({path.window, cubic, reno}), path.window * (1 + 0.5 * dt / round_trip));
  view.rate->set_capacity(std::max(model.delivered(), RateController::kRateMin));
  view.rate->override_rate(
      std::max(kPacing * path.window / members / round_trip, RateController::kRateMin));
  if (model.queue() >= 2 * kQueueTarget) {
    path.low_since = kNever;
  } else if (path.low_since == kNever) {
    path.low_since = now;
  } else if (seconds(now - path.low_since) > std::max(3 * round_trip, 0.3)) {
    path.is_competing = false;  // the other is gone
    path.high_since = path.busy_since = kNever;
  }
}

}  // namespace wanbond
