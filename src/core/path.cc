#include "core/path.h"

#include <algorithm>
#include <utility>

#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// Silence after which a path is suspect, as a share of its detection time: 45 ms of 80 ms.
constexpr int kSuspectNumerator = 9;
constexpr int kSuspectDenominator = 16;
// More data than this within a second (1 Mbit/s), and the queue in front of the path may be ours.
constexpr std::uint64_t kHeavyLoadBytes = 125'000;
constexpr Duration kLoadWindow = 1s;
// Data within one short interval at which FEEDBACK comes at the short one.
constexpr std::uint64_t kFeedbackFastBytes =
    kFeedbackFastBitsPerSecond / 8 * static_cast<std::uint64_t>(kFeedbackIntervalFast / 1ms) / 1000;
// Packets of one heartbeat interval whose losses are taken to be independent.
constexpr std::int64_t kPacketsPerBeatMax = 4;
// Our own queue: the round trip is longer than the floor by a quarter and this.
constexpr Duration kQueuedMin = 10ms;
// A second new address within this time waits: it might be a race between two copiers.
constexpr Duration kCandidateLifeMin = 250ms;
constexpr Duration kCandidateLifeMax = 3s;

BfdIntervals slow_intervals(const WanSettings& wan) noexcept {
  return wan.metered ? kBfdMetered : kBfdIdle;
}

}  // namespace

Path::Path(Time now, const Settings& settings, const WanSettings& wan, Random& random) noexcept
    : id_(settings.id),
      origin_(settings.origin),
      wan_(wan),
      random_(random),
      address_(settings.address),
      bfd_(now, BfdSettings{.intervals = slow_intervals(wan)}, random) {}

void Path::start(Time now) noexcept {
  if (state_ != PathState::Candidate || address_.remote.port == 0) return;
  if (order_ == PathOrder::Down) return;
  if (is_blocked()) return go_down(now, Cause::WanLost);
  change_state(now, PathState::Validating, Cause::Start);
  validation_.open(now);
  validating_until_ = now + kValidationTimeout;
  name_due_ = true;
}

void Path::stop(Time now, Cause cause) noexcept {
  if (state_ == PathState::Candidate) return;
  go_down(now, cause);
  on_bfd_change(now, bfd_.restart(now, BfdDiag::PathDown));
  validation_.stop();
  candidate_.reset();
  responses_.clear();
  change_state(now, PathState::Candidate, cause);
}

void Path::on_address_proven(Time now) noexcept {
  if (is_blocked()) return;
  answered_ = was_proven_ = true;
  pmtu_.start(now, size_limits());
  if (state_ == PathState::Candidate || state_ == PathState::Down)
    change_state(now, PathState::Validating, Cause::Answered);
  if (state_ != PathState::Validating) return;
  validating_until_ = now + kValidationTimeout;
  bfd_.hasten(now);
  settle(now, Cause::Answered);
}

void Path::on_peer_restarted(Time now) noexcept {
  on_bfd_change(now, bfd_.restart(now));
  peer_state_ = WirePathState::Up;
  acks_ = {};
  received_ = {};
  numbers_.reset();
  sent_ = {};
}

void Path::on_arrival(Time now, const Arrival& arrival) noexcept {
  ++counters_.rx_packets;
  counters_.rx_bytes += arrival.bytes;
  last_heard_ = now;
  bfd_.on_sign_of_life(now);
  if (arrival.epoch) received_.on_packet(*arrival.epoch, arrival.number, arrival.bytes);
  if (numbers_.on_number(arrival.number) == ReceivedNumbers::Place::Gap) {
    const bool pays = counters_.rx_bytes - rx_bytes_reported_ >= feedback_cost_;
    has_news_ = true;
    want_feedback(now, pays ? kFeedbackGapDelay : kFeedbackInterval);
    feedback_at_ = std::max(feedback_at_, now + kFeedbackGapDelay);
  }
  if (state_ == PathState::Suspect && suspicion_ == Suspicion::Silence) trust(now);
  if (arrival.newest) track_address(now, arrival);
}

void Path::track_address(Time now, const Arrival& arrival) noexcept {
  if (arrival.from.remote == address_.remote && arrival.from.socket == address_.socket) {
    address_.local = arrival.from.local;
    return;
  }
  if (candidate_ && candidate_->address.remote == arrival.from.remote) {
    candidate_->bytes_in += arrival.bytes;
    return;
  }
  if (refused_ == arrival.from && now < refused_until_) return;
  if (candidate_ && now - candidate_->since < kCandidateLifeMin) return;
  candidate_ = Candidate{};
  candidate_->address = arrival.from;
  candidate_->bytes_in = arrival.bytes;
  candidate_->since = now;
  candidate_->validation.open(now);
  // The old address is asked too: whoever merely copies our packets faster must not get them all.
  if (state_ != PathState::Down) validation_.open(now);
}

void Path::move_to(Time now, const PathAddress& address) noexcept {
  address_ = address;
  candidate_.reset();
  rtt_.reset();
  pmtu_.stop();  // the new way may be narrower
  trusted_until_ = now + kRttUnknown;
  (void)changes_.push(PathChange{EventKind::PathMoved, Cause::Answered, state_, state_, {}});
  validation_.stop();
  on_address_proven(now);
}

void Path::on_data_received(Time now, const Arrival& arrival, std::uint16_t stamp,
                            ArrivalKind kind) noexcept {
  on_stamp(arrival, stamp, kind);
  if (kind != ArrivalKind::Probe) mark_active(now);
  const std::uint64_t news = counters_.rx_bytes - rx_bytes_reported_;
  Duration interval = kFeedbackIntervalSparse;
  if (news >= feedback_cost_) interval = kFeedbackInterval;
  if (news >= std::max(feedback_cost_, kFeedbackFastBytes)) interval = kFeedbackIntervalFast;
  has_news_ = true;
  want_feedback(now, interval);
}

/// A FEEDBACK is due `interval` after the last one, or as soon as it is due already.
void Path::want_feedback(Time now, Duration interval) noexcept {
  if (can_talk()) feedback_at_ = std::min(feedback_at_, std::max(now, last_feedback_ + interval));
}

void Path::on_control_stamp(const Arrival& arrival, std::uint16_t stamp) noexcept {
  on_stamp(arrival, stamp, ArrivalKind::Control);
}

void Path::on_stamp(const Arrival& arrival, std::uint16_t stamp, ArrivalKind kind) noexcept {
  received_.on_stamp(arrival.at, stamp, wire_stamp(arrival.at));
  meter_.on_packet(arrival.at, stamp, arrival.bytes, kind);
  // A jump outlasts all intervals of the multiplier but the first. One of these makes good that
  // patience counts whole intervals, the others serve for jumps: small ones add nothing.
  const Duration jumps = kBfdJumpFactor * received_.jump_tail();
  bfd_.set_patience(std::max(Duration::zero(), jumps - 2 * wan_.heartbeat));
}

void Path::on_train_sent(Time now, std::uint32_t packets, std::uint64_t bytes) noexcept {
  counters_.tx_packets += packets;
  counters_.tx_bytes += bytes;
  pmtu_.on_data_sent(now, packets, bytes);
}

void Path::on_data_sent(Time now, std::uint32_t packets, std::uint64_t bytes) noexcept {
  counters_.tx_packets += packets;
  counters_.tx_bytes += bytes;
  pmtu_.on_data_sent(now, packets, bytes);
  // What a narrower path would lose is no sign of life to the peer: heartbeats go beside it.
  if (!PathMtu::is_large(packets, bytes)) bfd_.on_sent(now);
  mark_active(now);
  if (now - load_since_ >= kLoadWindow) {
    load_ = load_bytes_ >= kHeavyLoadBytes ? PathLoad::Heavy : PathLoad::Light;
    load_bytes_ = 0;
    load_since_ = now;
  }
  load_bytes_ += bytes;
}

void Path::mark_active(Time now) noexcept {
  const bool was_active = is_active(now);
  active_until_ = now + kBfdActiveWindow;
  if (!was_active) update_profile(now);
}

void Path::on_control_sent(std::uint64_t bytes) noexcept {
  ++counters_.tx_packets;
  counters_.tx_bytes += bytes;
  if (!was_proven_) unproven_out_ += bytes;
}

void Path::on_send_refused(Time now, Cause cause) noexcept {
  address_.local = {};  // it may have left the interface
  if (!is_usable()) return;
  go_down(now, cause);
  on_bfd_change(now, bfd_.restart(now, BfdDiag::PathDown));
}

void Path::close(Time now, Cause cause) noexcept {
  if (std::exchange(is_closed_, true)) return;
  go_down(now, cause);
  on_bfd_change(now, bfd_.restart(now, BfdDiag::PathDown));
  candidate_.reset();
  responses_.clear();
}

void Path::on_wan(Time now, const WanState& state) noexcept {
  const IpAddress& local = address_.local;
  const auto& own = state.addresses;
  const bool is_v4 = address_.remote.address.is_v4();
  const bool has_family =
      std::any_of(own.begin(), own.end(), [&](const IpAddress& a) { return a.is_v4() == is_v4; });
  const bool has_lost =
      !local.is_unspecified() && std::find(own.begin(), own.end(), local) == own.end();
  const bool was_blocked = is_blocked();
  is_wan_lost_ = !state.usable;
  // A link without an address of its own may send with another one's; only a loss is a sign.
  is_address_lost_ = !has_family && (has_lost || is_address_lost_);
  if ((is_blocked() && !was_blocked) || has_lost) {
    address_.local = {};
    const bool is_known = state_ == PathState::Candidate || state_ == PathState::Down;
    if (!is_known) go_down(now, Cause::WanLost);
    on_bfd_change(now, bfd_.restart(now, BfdDiag::PathDown));
  }
  if (is_blocked() || state_ == PathState::Candidate) return;
  pmtu_.set_limits(now, size_limits());
  if (state_ == PathState::Down) validation_.recover(now, pace());
}

ProbePace Path::pace() const noexcept {
  if (is_hearsay()) return ProbePace::Sparse;
  return wan_.metered ? ProbePace::Metered : ProbePace::Normal;
}

bool Path::can_talk() const noexcept {
  if (state_ == PathState::Candidate) return false;
  return answered_ || (state_ == PathState::Down && !is_hearsay());
}

void Path::update_profile(Time now) noexcept {
  if (bfd_.state() != BfdState::Up) return;  // a session that comes up has a pace of its own
  const BfdIntervals wanted = wanted_intervals(now);
  if (wanted == intervals_) return;
  intervals_ = wanted;
  bfd_.set_intervals(now, wanted);
}

/// The profile, and what the path loses of what we send (protocol, BFD).
BfdIntervals Path::wanted_intervals(Time now) noexcept {
  BfdIntervals wanted = is_active(now) ? BfdIntervals{wan_.heartbeat, wan_.heartbeat,
                                                      static_cast<std::uint8_t>(wan_.detect_mult)}
                                       : slow_intervals(wan_);
  const Time heavy = sent_.heavy_loss_since();
  const Duration slowest = std::max(kBfdIntervalHeavyLoss, wanted.desired_min_tx);
  if (heavy == kNever) {
    if (now - doublings_changed_ >= kBfdLightLossSpan) doublings_ = 0;
  } else if (now - std::max(heavy, doublings_changed_) >= kBfdHeavyLossSpan &&
             wanted.desired_min_tx * (1U << doublings_) < slowest) {
    ++doublings_;
    doublings_changed_ = now;
  }
  wanted.desired_min_tx = std::min(wanted.desired_min_tx * (1U << doublings_), slowest);
  // Where more is sent than heartbeats, all of it must be lost to raise a false alarm.
  const auto packets = std::clamp<std::int64_t>(
      sent_.packets_per_second() * wanted.desired_min_tx / 1s, 1, kPacketsPerBeatMax);
  const std::int64_t mult = detect_mult_for(sent_.lasting_loss_ppm(), wanted.desired_min_tx);
  wanted.detect_mult =
      std::max(wanted.detect_mult, static_cast<std::uint8_t>((mult + packets - 1) / packets));
  return wanted;
}

Time Path::silent_at() const noexcept {
  if (state_ != PathState::Up) return kNever;
  const Duration share = bfd_.detection_time() * kSuspectNumerator / kSuspectDenominator;
  return last_heard_ + std::max(kSuspectSilence, share);
}

/// Reports in a row that loss alone takes once in 10^4 intervals or less often.
int Path::reports_awaited() const noexcept {
  struct Step {
    std::uint32_t loss_ppm;
    int reports;
  };
  static constexpr std::array<Step, 3> kSteps{{{10'000, 2}, {30'000, 3}, {60'000, 4}}};
  for (const Step& step : kSteps)
    if (sent_.loss_ppm() <= step.loss_ppm) return step.reports;
  return 6;
}

/// When the oldest unacknowledged packet is older than its way, the report and its way back
/// explain. While reports acknowledge anything new the path is alive, however long its queue is.
Time Path::overdue_at() const noexcept {
  const bool is_proven = state_ == PathState::Suspect && suspicion_ == Suspicion::Unacknowledged;
  if (!is_usable() || is_proven || log_.live_count() == 0) return kNever;
  const Duration rtt = rtt_.has_sample() ? rtt_.srtt() : kRttUnknown;
  const Duration patience = reports_awaited() * kFeedbackIntervalSparse + kSuspectUnacked +
                            kSuspectJitterFactor * received_.jitter();
  return std::max({log_.oldest_sent() + rtt, log_.last_progress(), trusted_until_}) + patience;
}

Time Path::probes_fail_at() const noexcept {
  if (state_ != PathState::Suspect || suspicion_ != Suspicion::Unacknowledged) return kNever;
  if (company_ == Company::Alone) return kNever;
  const Duration rtt = rtt_.has_sample() ? rtt_.srtt() : kRttUnknown;
  const int mult = std::max(bfd_.detect_mult(), bfd_.remote_detect_mult());
  return suspect_since_ + rtt + std::max(kSuspectProbeSpan, mult * kSuspectProbe) +
         std::max(kSuspectJitterFactor * received_.jitter(),
                  kBfdJumpFactor * received_.jump_tail());
}

void Path::suspect(Time now, Suspicion suspicion) noexcept {
  suspicion_ = suspicion;
  suspect_since_ = now;
  suspect_number_ = next_number_;
  if (suspicion == Suspicion::Unacknowledged) validation_.probe(now);
  change_state(now, PathState::Suspect,
               suspicion == Suspicion::Silence ? Cause::Silence : Cause::Unacknowledged);
}

void Path::trust(Time now) noexcept {
  if (suspicion_ == Suspicion::Unacknowledged) {
    if (!candidate_) validation_.stop();
    trusted_until_ = now + (rtt_.has_sample() ? rtt_.srtt() : kRttUnknown);
  }
  change_state(now, PathState::Up, Cause::SignOfLife);
}

bool Path::is_queued() const noexcept {
  return rtt_.srtt() >
         rtt_.floor() + rtt_.floor() / 4 + kQueuedMin + kSuspectJitterFactor * received_.jitter();
}

void Path::on_timer(Time now, Duration late) noexcept {
  if (late > Duration::zero()) {
    bfd_.shift_deadline(late);
    if (last_heard_ != Time{}) last_heard_ += std::min(late, now - last_heard_);
    trusted_until_ = std::max(trusted_until_, now);
    suspect_since_ += std::min(late, now - suspect_since_);
  }
  if (!is_active(now) && active_until_ != Time{}) {
    active_until_ = Time{};
    update_profile(now);
  }
  on_bfd_change(now, bfd_.on_timer(now));
  if (now >= silent_at()) suspect(now, Suspicion::Silence);
  if (now >= overdue_at()) suspect(now, Suspicion::Unacknowledged);
  if (now >= probes_fail_at()) {
    go_down(now, Cause::Silence);
    on_bfd_change(now, bfd_.restart(now, BfdDiag::PathDown));
  }
  if (state_ == PathState::Validating && now >= validating_until_) {
    on_bfd_change(now, bfd_.restart(now));
    go_down(now, Cause::NoAnswer);
  }
  if (candidate_ && now - candidate_->since >= kCandidateLifeMax) candidate_.reset();
  pmtu_.set_rtt(rtt_.srtt());
  pmtu_.on_timer(now);
  note_size();
}

Time Path::next_timeout() const noexcept {
  if (order_ == PathOrder::Down && state_ != PathState::Candidate && !is_closed_)
    return std::min(log_.next_timeout(), bfd_.next_timeout());
  if (state_ == PathState::Candidate || is_blocked()) return log_.next_timeout();
  Time next = std::min({silent_at(), overdue_at(), probes_fail_at()});
  if (may_challenge()) next = std::min(next, validation_.next_timeout());
  if (can_talk()) next = std::min({next, bfd_.next_timeout(), feedback_at_});
  if (state_ == PathState::Validating) next = std::min(next, validating_until_);
  if (candidate_)
    next = std::min(
        {next, candidate_->validation.next_timeout(), candidate_->since + kCandidateLifeMax});
  next = std::min(next, log_.next_timeout());
  if (active_until_ != Time{}) next = std::min(next, active_until_);
  next = std::min(next, probe_acks_.frames.empty() ? pmtu_.next_timeout() : Time{});
  const bool is_owing = confirm_due_ || !acks_.sequences.empty();
  if (!responses_.empty() || (is_owing && can_talk())) next = Time{};
  return next;
}

void Path::on_bfd_change(Time now, const std::optional<BfdStateChange>& change) noexcept {
  if (!change) return;
  const bool was_up = change->from == BfdState::Up;
  if (was_up && is_usable()) {
    const bool silent = change->diag == BfdDiag::DetectionTimeExpired;
    const bool by_hand = bfd_.remote_state() == BfdState::AdminDown;
    const Cause told = by_hand ? Cause::AdminDown : Cause::PeerSaysDown;
    go_down(now, silent ? Cause::Silence : told);
  }
  if (change->to == BfdState::Up) settle(now, Cause::Answered);
}

void Path::settle(Time now, Cause cause) noexcept {
  if (state_ != PathState::Validating || !answered_ || bfd_.state() != BfdState::Up) return;
  validation_.stop();
  validating_until_ = kNever;
  last_heard_ = trusted_until_ = now;
  hold_down_.on_up(now);
  sent_.forget_outage(next_number_);
  update_profile(now);
  change_state(now, PathState::Up, cause);
}

void Path::go_down(Time now, Cause cause) noexcept {
  answered_ = false;
  pmtu_.stop();
  validating_until_ = kNever;
  feedback_at_ = kNever;
  validation_.recover(now, pace());
  if (is_usable()) {
    counters_.last_down_cause = cause;
    if (cause != Cause::AdminDown) {
      ++counters_.downs;
      hold_down_.on_down(now);
    }
  }
  change_state(now, PathState::Down, cause);
}

void Path::change_state(Time now, PathState to, Cause cause) noexcept {
  if (state_ == to) return;
  const Duration silence = last_heard_ == Time{} ? Duration::zero() : now - last_heard_;
  // What begins as a suspicion or a validation keeps the time of its beginning.
  const bool is_end = (state_ == PathState::Suspect && to == PathState::Down) ||
                      (state_ == PathState::Validating && to == PathState::Up);
  if (!is_end) sign_at_ = now;
  const PathChange change{.kind = EventKind::PathState,
                          .cause = cause,
                          .from = state_,
                          .to = to,
                          .silence = silence,
                          .detected = sign_at_};
  state_ = to;
  if (!changes_.push(change)) changes_.back() = change;  // only the newest state matters then
}

std::optional<PathChange> Path::take_change() noexcept {
  if (changes_.empty()) return {};
  const PathChange first = changes_[0];
  std::move(changes_.begin() + 1, changes_.end(), changes_.begin());
  (void)changes_.pop();
  return first;
}

PathView Path::view(Time now, FlowCare care) const noexcept {
  PathView view{id_, Usability::Never, 0, rtt_.floor() / 2};
  if (!pmtu_.carries_data()) return view;
  if (state_ == PathState::Suspect) view.usability = Usability::LastResort;
  if (state_ == PathState::Up) {
    const bool is_held =
        care == FlowCare::Repaired ? hold_down_.is_held_repaired(now) : hold_down_.is_held(now);
    view.usability = is_held ? Usability::Held : Usability::Usable;
  }
  const bool is_shunned = order_ == PathOrder::Drain || peer_state_ == WirePathState::Drained ||
                          peer_state_ == WirePathState::Suspect;
  if (is_shunned && view.usability > Usability::LastResort) view.usability = Usability::LastResort;
  view.rank = std::max(priority() + (wan_.metered ? kMeteredRank : 0), peer_rank_);
  return view;
}

}  // namespace wanbond
