#include "sched/bond.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kStagger = 700ms;  // between the drains of two paths
constexpr double kCapShare = 1.3, kCapShareStart = 2.5;
constexpr double kCapExtra = 30'000, kCapMin = 60'000;
constexpr Duration kCapTime = 12ms;  // q* and a report's age, on top of the round trip
constexpr Duration kQuantumTime = 500us;
constexpr double kQuantumMax = 131'072;  // a super packet of 64 KB with what is put around it
// What may stand in the preferred path and still leave it as good as an empty one.
constexpr Duration kHomeQueue = 8ms, kHomeSlack = 500us;
constexpr double kLossFree = 0.0003, kLossFull = 0.002;
constexpr Duration kRepairTime = 10ms;
constexpr Duration kRepairAhead = 20ms;
constexpr Duration kRescueAfter = 20ms, kRescueGain = 10ms;
constexpr double kRescueShare = 0.03, kRescueDepth = 1.5;
constexpr Duration kHoldMin = 20ms, kHoldMax = 500ms;
constexpr Duration kDetection = 80ms;  // heartbeats: 20 ms x 4
constexpr Duration kSuspectAfter = 10ms;
constexpr Duration kSilence = 15ms, kSilenceLossy = 25ms;  // a report is late, or one was lost
constexpr Duration kReportGapMax = 100ms;                  // longer: it was idle, or away
constexpr Duration kReverseBucket = 10s;
constexpr double kCodelShare = 0.25;
constexpr Duration kCodelMin = 5ms;
constexpr double kQueueMin = 256 << 10, kQueueMax = 16 << 20;
constexpr unsigned kTrains = 6;
constexpr Duration kTrainEvery = 400ms;
constexpr unsigned kTrainCountMin = 10, kTrainCountMax = 32;
constexpr double kTrainBytes = 1472, kTrainBytesSlow = 1000;  // of a probe
constexpr Duration kTrainTime = 40ms;
constexpr double kQuietDeviations = 2, kHoldDeviations = 3.5;
// The least age of a report is already some deviations below the mean: up to 3 above it.
constexpr double kReverseDeviations = 6;
constexpr Duration kQueueSeen = 2ms, kHoldMargin = 4ms, kJitterSeen = 10ms, kQueueHeld = 10ms;
constexpr double kHeldInterval = 1.5;
constexpr Duration kBeginning = 3s, kBeginningPatience = 1s, kFrozen = 5s;
// Flows that share a path since another failed need so long to find their new rates.
constexpr Duration kSettling = 1s;
constexpr Duration kHeldIdle = 2s;  // a held flow that is silent for so long needs no round trip
constexpr Duration kDeviationMin = 300us;

}  // namespace

Bond::Bond() noexcept {
  for (std::size_t i = 0; i < paths_.size(); ++i)
    paths_[i].rate = RateController(static_cast<int>(i) * kStagger);
}

void Bond::on_path_up(Time now, std::uint8_t id) noexcept {
  Path& path = paths_[id];
  path.is_up = true;
  path.is_suspended = false;
  if (path.was_up) {
    path.model.on_return(now);
    path.rate.on_return(now);
  } else {
    path.trains_left = kTrains;
  }
  path.train_at = now;
  path.was_up = true;
  path.in_flight = 0;
  path.gate.reset(now);
  changed_ = now;
  refresh(now);
}

void Bond::on_path_down(Time now, std::uint8_t id) noexcept {
  paths_[id].is_up = false;
  paths_[id].in_flight = 0;
  cross_.on_path_down(id);
  changed_ = now;
  refresh(now);
}

void Bond::suspend(Time now, std::uint8_t id) noexcept {
  paths_[id].is_suspended = true;
  changed_ = now;
  refresh(now);
}

void Bond::resume(Time now, std::uint8_t id) noexcept {
  paths_[id].is_suspended = false;
  paths_[id].model.forgive();
  changed_ = now;
  refresh(now);
}

/// The smallest age of a report, over two buckets as D0: the offsets of both cancel.
void Bond::on_heard(Time now, std::uint8_t id, Duration age) noexcept {
  Path& via = paths_[id];
  if (now - via.reverse_since > kReverseBucket) {
    via.reverse_before = via.reverse_now;
    via.reverse_now = Duration::max();
    via.reverse_since = now;
  }
  via.reverse_now = std::min(via.reverse_now, age);
  const Duration gap = now - via.heard;
  if (gap < kReportGapMax) via.report_gap += (gap - via.report_gap) / 8;
  via.heard = now;
  Duration least = Duration::max();
  for (const Path& path : paths_)
    if (path.is_up && !path.is_suspended && !is_silent(now, path))
      least = std::min(least, path.reverse());
  reverse_ = least != Duration::max() ? least : via.reverse();
}

bool Bond::is_silent(Time now, const Path& path) const noexcept {
  const Duration patience = path.model.loss_long() > kLossFree ? kSilenceLossy : kSilence;
  return now - path.heard > std::max(patience, 2 * path.report_gap) + 4 * path.model.spread();
}

bool Bond::is_suspect(Time now, std::uint8_t id, Time oldest) const noexcept {
  const Path& path = paths_[id];
  if (!path.model.is_known() || path.reverse() == Duration::max()) return false;
  const Duration margin = path.model.queue_mean() + kSuspectAfter + 4 * path.model.spread();
  const Duration due = oldest.time_since_epoch() + path.model.base();
  if (path.written > std::max(due, path.model.last_arrival()) + margin) return true;
  const Duration round_trip = path.model.base() + path.reverse() + path.report_gap;
  return is_silent(now, path) && now - oldest > round_trip + margin;
}

void Bond::on_report(Time now, const BondReport& report) noexcept {
  Path& path = paths_[report.path];
  path.written = std::max(path.written, report.written);
  path.in_flight = report.in_flight;
  path.model.on_counts(report.largest, report.packets);
  for (const SlotReport& slot : report.slots) path.model.on_slot(now, slot);
  if (!path.is_up) return;
  path.model.on_report({.now = now,
                        .written = report.written,
                        .reverse = reverse_,
                        .capacity = path.rate.capacity()});
  if (!path.model.is_known()) return;
  path.rate.on_train(now, path.model, report.train, path.train_count);
  path.rate.on_report(now, path.model);
  if (!path.model.outruns_us()) judge_cross_traffic(now, report.path);
  refresh(now);
}

/// A queue has grown that we did not want: the rate fell. What stands behind the first bytes in it
/// is promised for the base delay and late by the time that those bytes take.
std::optional<double> Bond::late_behind(Time now, std::uint8_t id) noexcept {
  Path& path = paths_[id];
  const PathModel& model = path.model;
  const double depth = kRescueDepth * std::max(path.rate.best(), path.rate.capacity()) *
                           seconds(model.round_trip()) +
                       kCapExtra;
  path.rescue_budget = std::min(
      path.rescue_budget + kRescueShare * path.rate.capacity() * seconds(now - path.rescue_at),
      depth);
  path.rescue_at = now;
  const Duration margin = kRescueAfter + 4 * model.spread();
  if (!path.is_up || path.is_suspended || cross_.is_competing(id) || path.rescue_budget <= 0 ||
      !model.is_fresh() || model.queue() <= kRescueAfter + 2 * model.spread())
    return {};
  const auto other = repair_path(now);
  if (!other || other->path == id || model.delivered() <= 0) return {};
  const Duration alternative = arrival(paths_[other->path]) + paths_[other->path].gate.wait(now);
  const Duration late = std::max(margin, alternative - model.base() + kRescueGain);
  return model.delivered() * seconds(late);
}

void Bond::judge_cross_traffic(Time now, std::uint8_t id) noexcept {
  std::array<CrossView, kBondPathsMax> views{};
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    if (!path.is_up || !path.model.is_known()) continue;
    views[i] = {&path.model, &path.rate, static_cast<double>(path.in_flight) * path.packet_bytes};
  }
  cross_.on_report(now, id, views);
  paths_[id].model.set_base_policy(cross_.is_competing(id) ? BasePolicy::Frozen
                                                           : BasePolicy::Follow);
}

void Bond::set_gate(std::uint8_t id) noexcept {
  Path& path = paths_[id];
  path.gate.set_rate(path.rate.rate());
  const Duration time = path.model.round_trip() + kCapTime + 2 * path.model.spread();
  if (cross_.is_competing(id)) return path.gate.set_cap(cross_.window_bytes(id));
  const double share = path.rate.is_starting() ? kCapShareStart : kCapShare;
  path.gate.set_cap(std::max(share * path.rate.capacity() * seconds(time) + kCapExtra, kCapMin));
}

/// With jitter the least delay is not what a packet meets.
Duration Bond::typical_base() const noexcept {
  Duration least = Duration::max();
  for (const Path& path : paths_) {
    if (!path.is_up || !path.model.is_known()) continue;
    Duration delay = path.model.base() + path.model.queue();
    const Duration deviation = path.model.quiet_deviation();
    if (deviation > kDeviationMin)
      delay = std::max(delay, path.model.quiet_mean() + scaled(deviation, kQuietDeviations));
    least = std::min(least, delay);
  }
  return least;
}

/// The way back, taken to vary as the fastest way forth does.
Duration Bond::typical_reverse() const noexcept {
  const Path* fastest = nullptr;
  for (const Path& path : paths_)
    if (path.is_up && path.model.is_known() &&
        (fastest == nullptr || path.model.base() < fastest->model.base()))
      fastest = &path;
  if (fastest == nullptr) return reverse_;
  const Duration deviation = fastest->model.quiet_deviation();
  if (deviation <= kDeviationMin) return reverse_;
  return reverse_ + scaled(deviation, kReverseDeviations);
}

/// A_p: how much later a packet arrives that has to be sent again, weighed by how often.
Duration Bond::loss_allowance(const Path& path) const noexcept {
  const double loss = std::max(path.model.loss(), path.model.loss_long());
  if (loss < kLossFree) return {};
  const double weight = std::min(1.0, loss / kLossFull);
  return scaled(typical_reverse() + typical_base() + kRepairTime, weight);
}

Duration Bond::arrival(const Path& path) const noexcept {
  const PathModel& model = path.model;
  const Duration queue =
      std::max(model.queue(), std::min(model.queue_mean(), model.queue() + 2 * model.jitter()));
  return model.base() + queue + time_for(kFullBytes, path.rate.rate()) + loss_allowance(path);
}

/// All that depends on a report or on the state of a path.
void Bond::refresh(Time now) noexcept {
  any_alive_ = std::any_of(paths_.begin(), paths_.end(),
                           [](const Path& p) { return p.is_up && !p.is_suspended; });
  std::array<PathOutlook, kBondPathsMax> outlooks;
  std::size_t count = 0;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    Path& path = paths_[i];
    if (!is_usable(path)) continue;
    set_gate(static_cast<std::uint8_t>(i));
    const Duration delay = path.model.is_known() ? arrival(path) : Duration{};
    outlooks[count++] = {static_cast<std::uint8_t>(i), delay, path.rate.capacity()};
  }
  look_ahead_.rebuild({outlooks.data(), count});
  choose_home({outlooks.data(), count});
  wake_ = now;
  if (count == 0) return;
  queue_.set_path_count(count);
  const Duration round_trip = std::max(Duration{}, look_ahead_.slowest() + reverse_);
  codel_.target = kCodelMin + scaled(round_trip, kCodelShare);
  queue_.set_codel(codel_);
  for (std::uint8_t i = 0; i < kBondPathsMax; ++i) set_pinned(now, i);
  plan_hold(now);
  queue_.set_limit(static_cast<std::uint64_t>(std::clamp(2 * capacity(), kQueueMin, kQueueMax)));
}

/// What is pinned to a path waits for no other one, and for nothing when its own is away.
void Bond::set_pinned(Time now, std::uint8_t id) noexcept {
  LevelFlow level;
  level.codel = codel_;
  if (now - changed_ < kSettling) level.codel.patience = kSettling;
  const Path& path = paths_[id];
  if (is_usable(path)) {
    level.paths = static_cast<BondPathMask>(1U << id);
    if (path.model.is_known())
      level.codel.target =
          kCodelMin + scaled(std::max(Duration{}, arrival(path) + reverse_), kCodelShare);
  } else {
    for (const PathRank& rank : look_ahead_.ranks())
      level.paths |= static_cast<BondPathMask>(1U << rank.path);
  }
  queue_.set_pinned(id, level);
}

/// Of paths that are about equal one goes on being used until it is the bottleneck: each change of
/// the path costs a train its length and the receiver its order.
void Bond::choose_home(std::span<const PathOutlook> outlooks) noexcept {
  if (outlooks.empty()) return;
  const PathRank& fastest = look_ahead_.ranks().front();
  const auto home = std::find_if(outlooks.begin(), outlooks.end(),
                                 [this](const PathOutlook& o) { return o.path == home_; });
  const auto is_good = [&] {
    const PathModel& model = paths_[home_].model;
    return model.outruns_us() ||
           home->arrival - std::min(model.queue(), kHomeQueue) <= fastest.arrival + kHomeSlack;
  };
  if (home == outlooks.end() || !is_good()) home_ = fastest.path;
  look_ahead_.prefer(home_);
}

/// What nearly every packet over this path takes, repairs included.
Duration Bond::hold_delay(std::uint8_t id) const noexcept {
  const Path& path = paths_[id];
  const bool is_competing = cross_.is_competing(id);
  const PathModel& model = path.model;
  const Duration deviation = model.quiet_deviation();
  const Duration repair = loss_allowance(path);
  if (deviation > kDeviationMin)
    return model.quiet_mean() + scaled(deviation, kHoldDeviations) + repair + kQueueSeen +
           kHoldMargin;
  // A queue of our own making is rescued from, or drained; a competitor's stays.
  const Duration queue = is_competing ? model.queue() : std::min(model.queue(), kQueueHeld);
  Duration standing = std::max(queue, kQueueSeen) + std::min(model.jitter(), kJitterSeen);
  if (model.is_jittery())
    standing = std::max(model.queue_mean() + model.jitter_peak(),
                        model.queue() + std::min(model.jitter(), kJitterSeen));
  return model.base() + repair + standing + kHoldMargin;
}

void Bond::plan_hold(Time now) noexcept {
  std::array<HoldOutlook, kBondPathsMax> outlooks;
  std::size_t count = 0;
  for (std::size_t i = 0; i < paths_.size(); ++i) {
    const Path& path = paths_[i];
    if (!path.is_up || !path.model.is_known()) continue;
    outlooks[count++] = {static_cast<std::uint8_t>(i), hold_delay(static_cast<std::uint8_t>(i)),
                         arrival(path), path.rate.capacity(),
                         std::max(path.model.loss(), path.model.loss_long())};
  }
  for (const std::uint16_t flow : modes_.recent())
    if (modes_.is_held(flow)) plan_.keep_until(modes_.used(flow) + kHeldIdle);
  plan_.update(now, {outlooks.data(), count}, typical_reverse());
  for (const std::uint16_t flow : modes_.recent()) treat(now, flow);
}

/// Tells the queue how this flow is treated at present.
void Bond::treat(Time now, std::uint16_t flow) noexcept {
  if (!modes_.is_held(flow) || look_ahead_.ranks().empty()) return queue_.set_level(flow, {});
  const Duration round_trip = plan_.round_trip();
  const Duration slowest = look_ahead_.slowest();
  LevelFlow level{.paths = plan_.paths(),
                  .allowance_max = std::max(Duration{}, slowest - plan_.arrival())};
  level.codel.target = kCodelMin + scaled(std::max(round_trip, slowest + reverse_), kCodelShare);
  level.codel.interval = std::max(codel_.interval, scaled(round_trip, kHeldInterval));
  if (now - modes_.began(flow) < kBeginning) level.codel.patience = kBeginningPatience;
  queue_.set_level(flow, level);
}

bool Bond::push(Time now, std::uint16_t flow, const SegmentRun& run, EcnCapable ecn) noexcept {
  if (!queue_.push(now, flow, run, ecn)) return false;
  wake_ = now;
  if (BondQueue::path_of(flow) || !modes_.on_packet(now, flow)) return true;
  plan_.freeze_until(now + kFrozen);
  treat(now, flow);
  return true;
}

std::optional<DirectGrant> Bond::pass(Time now, std::uint16_t flow, std::uint32_t segments,
                                      std::uint32_t bytes) noexcept {
  if (!queue_.empty() || look_ahead_.ranks().empty()) return {};
  const auto pinned = BondQueue::path_of(flow);
  const std::uint8_t id =
      pinned && is_usable(paths_[*pinned]) ? *pinned : look_ahead_.ranks().front().path;
  Path& path = paths_[id];
  const bool has_room = path.gate.has_room(static_cast<double>(path.in_flight) * path.packet_bytes);
  if (!has_room || !path.gate.is_open(now) || bytes > quantum(path)) return {};
  if (!pinned && modes_.on_packet(now, flow)) {
    plan_.freeze_until(now + kFrozen);
    treat(now, flow);
  }
  return DirectGrant{id, take(now, path, segments, bytes)};
}

std::optional<Duration> Bond::held_round_trip(std::uint16_t flow) const noexcept {
  if (BondQueue::path_of(flow) || !modes_.is_held(flow) || plan_.round_trip() <= Duration{})
    return {};
  return plan_.round_trip();
}

std::uint32_t Bond::quantum(const Path& path) const noexcept {
  return static_cast<std::uint32_t>(
      std::clamp(path.rate.rate() * seconds(kQuantumTime), kFullBytes, kQuantumMax));
}

std::optional<Grant> Bond::pull(Time now) noexcept {
  wake_ = kNever;
  if (queue_.empty()) {
    for (Path& path : paths_) path.gate.forsake();
    return {};
  }
  std::array<PathOffer, kBondPathsMax> offers;
  std::size_t count = 0;
  for (const PathRank& rank : look_ahead_.ranks()) {
    Path& path = paths_[rank.path];
    if (!path.gate.has_room(static_cast<double>(path.in_flight) * path.packet_bytes)) continue;
    if (!path.gate.is_open(now)) {
      path.gate.await();
      wake_ = std::min(wake_, path.gate.opens_at());
      continue;
    }
    offers[count++] = {rank.path, rank.ahead_bytes, quantum(path), rank.allowance};
  }
  const auto taken = queue_.pull(now, {offers.data(), count});
  if (!taken) {
    for (std::size_t i = 0; i < count; ++i)
      paths_[offers[i].path].gate.forsake();  // it was open, and nothing was for it
    return {};
  }
  Path& path = paths_[taken->path];
  const std::uint32_t bytes = taken->verdict == QueueVerdict::Void ? 60 : taken->run.bytes();
  const ArrivalKind kind = take(now, path, taken->run.count, bytes);
  const Grant grant{taken->run, taken->path, taken->flow, taken->verdict, kind, taken->sojourn};
  wake_ = now;
  return grant;
}

/// Accounts for what goes out on a path; says whether the gate had held it back.
ArrivalKind Bond::take(Time now, Path& path, std::uint32_t segments, std::uint32_t bytes) noexcept {
  const auto kind = path.gate.is_limiting(now) ? ArrivalKind::Backlogged : ArrivalKind::Plain;
  const double mean = static_cast<double>(bytes) / segments;
  path.packet_bytes += 0.05 * (mean - path.packet_bytes);
  path.in_flight += segments;
  path.gate.take(now, bytes);
  return kind;
}

std::optional<std::uint8_t> Bond::urgent_path() const noexcept {
  std::optional<std::uint8_t> best;
  Duration least{};
  for (const PathRank& rank : look_ahead_.ranks()) {
    const PathModel& model = paths_[rank.path].model;
    const Duration delay = model.is_known() ? model.base() + model.queue() : rank.arrival;
    if (best && delay >= least) continue;
    best = rank.path;
    least = delay;
  }
  return best;
}

std::optional<Bond::RepairPlan> Bond::repair_path(Time now) const noexcept {
  std::optional<RepairPlan> best;
  Duration least{};
  for (const PathRank& rank : look_ahead_.ranks()) {
    const Path& path = paths_[rank.path];
    const Duration wait = path.gate.wait(now);
    const Duration delay = path.model.is_known() ? path.model.base() + path.model.queue() +
                                                       time_for(kFullBytes, path.rate.rate()) + wait
                                                 : wait;
    if (best && delay >= least) continue;
    best = RepairPlan{rank.path, wait < kRepairAhead ? now : now + wait - kRepairAhead / 2};
    least = delay;
  }
  return best;
}

void Bond::on_sent(Time now, std::uint8_t id, std::uint32_t bytes) noexcept {
  paths_[id].gate.take(now, bytes);
  ++paths_[id].in_flight;
}

BytesPerSecond Bond::capacity() const noexcept {
  BytesPerSecond sum = 0;
  for (const Path& path : paths_)
    if (path.is_up) sum += path.rate.capacity();
  return sum;
}

Duration Bond::hold_time() const noexcept {
  Duration least = Duration::max(), most{}, spread{};
  for (const Path& path : paths_) {
    if (!path.is_up || !path.model.is_known()) continue;
    const Duration delay = path.model.base() + path.model.queue() + reverse_;
    least = std::min(least, delay);
    most = std::max(most, delay);
    spread = std::max(spread, path.model.jitter_peak());
  }
  if (least == Duration::max()) return 150ms;
  const Duration repair = (most - least) + 3 * least / 2 + 30ms + 4 * spread;
  const Duration failure = kDetection + least + 30ms;
  return std::clamp(std::max(repair, failure), kHoldMin, kHoldMax);
}

TrainSize Bond::take_train(Time now, std::uint8_t id) noexcept {
  Path& path = paths_[id];
  if (!path.is_up || path.trains_left == 0 || now < path.train_at) return {};
  --path.trains_left;
  path.train_at = now + kTrainEvery;
  const double bytes = path.rate.has_train() ? path.rate.capacity() * seconds(kTrainTime)
                                             : kTrainCountMax * kTrainBytes;
  const double probe = bytes < kTrainCountMin * kTrainBytes ? kTrainBytesSlow : kTrainBytes;
  path.train_count =
      static_cast<unsigned>(std::clamp<double>(bytes / probe, kTrainCountMin, kTrainCountMax));
  return {path.train_count, static_cast<std::uint16_t>(probe)};
}

}  // namespace wanbond
