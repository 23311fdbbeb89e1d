#include "core/control.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

Cause cause_of(MoveReason reason) noexcept {
  switch (reason) {
    case MoveReason::First:
      return Cause::Start;
    case MoveReason::Failover:
      return Cause::Failover;
    case MoveReason::Revert:
      return Cause::Revert;
    case MoveReason::LessDelay:
      return Cause::LessDelay;
  }
  return Cause::None;
}

/// Why a path that was in use went Down, for the peer; none when it knows or cannot be told.
std::optional<PathReason> reason_of(Cause cause) noexcept {
  switch (cause) {
    case Cause::Silence:
    case Cause::Unacknowledged:
    case Cause::NoAnswer:
      return PathReason::Silence;
    case Cause::SendRefused:
    case Cause::WanLost:
      return PathReason::Interface;
    case Cause::AdminDown:
      return PathReason::Admin;
    case Cause::TooSmall:
      return PathReason::TooSmall;
    case Cause::DuplicatePath:
      return PathReason::Duplicate;
    case Cause::AddressGone:
    case Cause::PeerAbandoned:
    case Cause::None:
    case Cause::Start:
    case Cause::PeerSaysDown:
    case Cause::PeerLostWan:
    case Cause::Answered:
    case Cause::SignOfLife:
    case Cause::PeerRestarted:
    case Cause::PeerClosed:
    case Cause::LessDelay:
    case Cause::Failover:
    case Cause::Revert:
    case Cause::KeysExpired:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

Control::Control(Time now, const Settings& settings, Random& random)
    : settings_(settings),
      random_(random),
      endpoints_(settings.configured.endpoints),
      wan_orders_(settings.wans.size()) {
  check(endpoints_.size() + kOfferedAddressCountMax < kNoEndpoint);
  endpoints_.resize(endpoints_.size() + kOfferedAddressCountMax);
  open_missing(now);
  for (Book& book : books_) book.is_new = false;  // configured ones are no news
}

void Control::on_keys(Time now, const std::optional<PathAddress>& proven) noexcept {
  has_keys_ = true;
  for (const auto& path : paths_) {
    path->confirm_keys();
    const bool same = proven && path->address().socket == proven->socket &&
                      path->address().remote == proven->remote;
    path->start(now);
    if (same) path->on_address_proven(now);
  }
}

void Control::on_keys_lost(Time now, Cause cause) noexcept {
  has_keys_ = false;
  for (const auto& path : paths_) path->stop(now, cause);
}

void Control::on_peer_restarted(Time now) noexcept {
  notices_.reset();
  offered_ = {};
  offer_addresses(now);
  for (const auto& path : paths_) {
    path->on_peer_restarted(now);
    if (path->order() != PathOrder::Up) tell_order(now, *path);
  }
}

void Control::on_send_refused(Time now, SocketId socket, const Endpoint& remote,
                              Cause cause) noexcept {
  for (const auto& path : paths_)
    if (path->address().socket == socket && path->address().remote == remote)
      path->on_send_refused(now, cause);
}

bool Control::on_too_big(Time now, SocketId socket, const Endpoint& remote) noexcept {
  bool found = false;
  for (const auto& path : paths_) {
    if (path->address().socket != socket || path->address().remote != remote) continue;
    path->on_too_big(now);
    found = true;
  }
  return found;
}

Path* Control::find(PathId id) const noexcept {
  for (const auto& path : paths_)
    if (path->id() == id) return path.get();
  return nullptr;
}

Path* Control::on_arrival(Time now, PathId id, const Arrival& arrival, Outbox& out) {
  Path* path = find(id);
  if (path == nullptr) path = learn(now, id, arrival, out);
  if (path != nullptr) path->on_arrival(now, arrival);
  return path;
}

bool Control::on_frames(Time now, Path& path, FrameReader frames, const Arrival& arrival) {
  bool closed = false;
  while (const std::optional<Frame> frame = frames.next()) {
    if (const auto* challenge = std::get_if<PathChallengeFrame>(&*frame)) {
      path.on_challenge(now, *challenge, arrival);
    } else if (const auto* response = std::get_if<PathResponseFrame>(&*frame)) {
      path.on_response(now, *response, arrival);
    } else if (const auto* bfd = std::get_if<BfdFrame>(&*frame)) {
      BfdError error{};
      if (const auto control = parse_bfd(bfd->packet, error)) path.on_bfd(now, *control);
    } else if (const auto* feedback = std::get_if<FeedbackFrame>(&*frame)) {
      if (feedback->path == path.id()) path.on_feedback(now, *feedback, arrival);
    } else if (const auto* probe = std::get_if<PmtuProbeFrame>(&*frame)) {
      path.on_probe(*probe, arrival);
    } else if (const auto* ack = std::get_if<PmtuAckFrame>(&*frame)) {
      path.on_probe_ack(now, *ack);
    } else if (const auto* name = std::get_if<PathNameFrame>(&*frame)) {
      path.on_name(*name);
    } else if (const auto* acknowledged = std::get_if<AckFrame>(&*frame)) {
      notices_.on_ack(*acknowledged);
    } else if (std::holds_alternative<CloseFrame>(*frame)) {
      closed = true;
    } else {
      on_notice(now, *frame, path);
    }
  }
  return closed;
}

void Control::on_notice(Time now, const Frame& frame, Path& arrived_on) {
  if (const auto* status = std::get_if<PathStatusFrame>(&frame)) {
    arrived_on.owe_ack(status->sequence);
    Path* path = find(status->path);
    if (notices_.is_news(*status) && path != nullptr) path->on_peer_status(now, *status);
  } else if (const auto* end = std::get_if<PathAbandonFrame>(&frame)) {
    arrived_on.owe_ack(end->sequence);
    Path* path = find(end->path);
    const bool is_open = notices_.is_news(*end) && path != nullptr && !path->is_closed();
    if (is_open) close(now, *path, Cause::PeerAbandoned, end->reason);
  } else if (const auto* offer = std::get_if<AddrFrame>(&frame)) {
    arrived_on.owe_ack(offer->sequence);
    if (notices_.is_news(*offer)) on_offer(now, *offer);
  }
}

void Control::announce(Time now, PathId path, WirePathState state, PathReason reason) noexcept {
  const Path* found = find(path);
  if (found == nullptr) return;
  notices_.tell(now,
                PathStatusFrame{
                    .path = path, .state = state, .priority = found->priority(), .reason = reason});
}

Notices::Frames Control::poll_notices(Time now) noexcept {
  if (notices_.next_timeout() > now || !has_usable()) return {};
  Duration rtt = kRttUnknown;
  for (const auto& path : paths_)
    if (path->is_usable() && path->rtt().has_sample()) rtt = std::min(rtt, path->rtt().srtt());
  return notices_.poll(now, rtt);
}

void Control::on_timer(Time now, Duration late) noexcept {
  for (const auto& path : paths_) {
    const bool alone = std::none_of(paths_.begin(), paths_.end(), [&](const auto& other) {
      return other != path && other->is_usable();
    });
    path->set_company(alone ? Path::Company::Alone : Path::Company::Others);
    path->on_timer(now, late);
  }
  close_retired(now);
  forget_closed(now);
}

Time Control::next_timeout(Time now) const noexcept {
  Time next = std::min(failover_[0].next_timeout(), failover_[1].next_timeout());
  for (const auto& path : paths_)
    next = std::min({next, path->next_timeout(), path->next_view_change(now)});
  for (const auto& path : paths_)
    if (path->is_closed()) next = std::min(next, books_[path->id().value].closed_at + kPathIdHold);
  return has_usable() ? std::min(next, notices_.next_timeout()) : next;
}

void Control::settle(Time now, Outbox& out) noexcept {
  const Moves moves = select(now);  // first: what is reported says whether flows had to move
  for (const auto& path : paths_) {
    Book& book = books_[path->id().value];
    Event event{.at = now, .cause = Cause::Start, .peer = settings_.peer, .path = path->id()};
    event.kind = EventKind::PathAdded;
    if (std::exchange(book.is_new, false)) out.report(event);
    report_changes(now, *path, out);
    event.kind = EventKind::PathRemoved;
    event.cause = book.closed_for;
    if (std::exchange(book.is_removed, false)) out.report(event);
  }
  report_moves(now, moves, out);
}

void Control::report_changes(Time now, Path& path, Outbox& out) noexcept {
  while (const auto change = path.take_change()) {
    if (change->to == PathState::Down) last_change_ = change->cause;
    Event event{.at = now,
                .detected = change->detected,
                .kind = change->kind,
                .cause = change->cause,
                .peer = settings_.peer,
                .path = path.id(),
                .from = change->from,
                .to = change->to,
                .silence = change->silence,
                .payload_bytes = change->payload_bytes};
    if (change->kind == EventKind::PathState) {
      const Time left_at = books_[path.id().value].left_at;
      const bool is_loss = change->to == PathState::Suspect || change->to == PathState::Down;
      if (tell_change(now, path, *change) && has_usable()) event.told = now;
      if (is_loss && left_at >= change->detected) event.switched = left_at;
    }
    out.report(event);
  }
}

/// What both ends see by themselves need not be told, but one of them sees it first.
bool Control::tell_change(Time now, const Path& path, const PathChange& change) {
  if (change.to == PathState::Up) offer_addresses(now);
  if (path.is_closed()) return true;  // PATH_ABANDON says it
  const bool was_usable = change.from == PathState::Up || change.from == PathState::Suspect;
  const auto reason = reason_of(change.cause);
  if (change.to == PathState::Down && was_usable && reason) {
    if (!has_usable()) return false;  // it would be told when it is long over
    announce(now, path.id(), WirePathState::Down, *reason);
    return true;
  }
  const bool is_back = change.to == PathState::Up && change.from == PathState::Validating;
  if (!is_back || (!notices_.has_told(path.id()) && path.order() == PathOrder::Up)) return false;
  tell_order(now, path);
  return true;
}

std::optional<Move> Control::update(Time now, FlowCare care) noexcept {
  FixedVector<PathView, kPathCountMax> views;
  for (const auto& path : paths_) (void)views.push(path->view(now, care));  // as many as paths
  return failover_[static_cast<std::size_t>(care)].update(now, views);
}

Control::Moves Control::select(Time now) noexcept {
  const std::array before{failover(FlowCare::Repaired).selected(),
                          failover(FlowCare::Plain).selected()};
  Moves moves{.was_up = before[1].has_value()};
  moves.repaired = update(now, FlowCare::Repaired);
  moves.plain = update(now, FlowCare::Plain);
  for (const auto care : {FlowCare::Repaired, FlowCare::Plain}) {
    const auto& left = before[static_cast<std::size_t>(care)];
    if (!left || failover(care).selected() == left) continue;
    books_[left->value].left_at = now;
    const Path* path = find(*left);
    if (path != nullptr && path->state() != PathState::Up) moves.sign = path->sign_at();
  }
  return moves;
}

void Control::report_moves(Time now, const Moves& moves, Outbox& out) noexcept {
  const std::optional<Move>& repaired = moves.repaired;
  const std::optional<Move>& plain = moves.plain;
  const auto report = [&](const Move& move, FlowCare flows) {
    if (!move.to) return;
    out.report({.at = now,
                .detected = moves.sign,
                .switched = now,
                .kind = EventKind::PathSelected,
                .cause = cause_of(move.reason),
                .peer = settings_.peer,
                .path = *move.to,
                .flows = flows});
  };
  if (repaired && plain && repaired->to == plain->to) {
    report(*repaired, FlowCare::All);
  } else {
    if (repaired) report(*repaired, FlowCare::Repaired);
    if (plain) report(*plain, FlowCare::Plain);
  }
  if (!plain || moves.was_up == plain->to.has_value()) return;
  out.report({.at = now,
              .kind = plain->to ? EventKind::PeerUp : EventKind::PeerDown,
              .cause = plain->to ? cause_of(plain->reason) : last_change_,
              .peer = settings_.peer,
              .path = plain->to.value_or(PathId{})});
}

Path* Control::selected(FlowCare care) noexcept {
  const auto id = failover(care).selected();
  return id ? find(*id) : nullptr;
}

const Path* Control::selected(FlowCare care) const noexcept {
  const auto id = failover(care).selected();
  return id ? find(*id) : nullptr;
}

std::array<Path*, 2> Control::fastest_two() const noexcept {
  std::array<Path*, 2> two{};
  const auto is_faster = [](const Path& path, const Path* than) {
    return than == nullptr || path.rtt().floor() < than->rtt().floor();
  };
  for (const auto& path : paths_) {
    if (path->state() != PathState::Up) continue;
    Path* found = path.get();
    if (is_faster(*found, two[0])) std::swap(found, two[0]);
    if (found != nullptr && is_faster(*found, two[1])) two[1] = found;
  }
  return two;
}

bool Control::has_hope() const noexcept {
  return std::any_of(paths_.begin(), paths_.end(), [](const auto& p) {
    return p->is_usable() || p->state() == PathState::Validating;
  });
}

std::size_t Control::payload_bytes_min() const noexcept {
  std::size_t least = kUdpPayloadBytesMax;
  for (const auto& path : paths_)
    if (path->is_usable() && path->mtu().carries_data())
      least = std::min(least, path->payload_bytes_max());
  return least;
}

Duration Control::relative_delay(const Path& path) const noexcept {
  Duration most = Duration::zero();
  if (!path.is_usable() || !path.received().any()) return most;
  for (const auto& other : paths_) {
    if (!other->is_usable() || !other->received().any()) continue;
    most = std::max(
        most, stamp_difference(path.received().delay_stamp(), other->received().delay_stamp()));
  }
  return most;
}

bool Control::has_usable() const noexcept {
  return std::any_of(paths_.begin(), paths_.end(), [](const auto& p) { return p->is_usable(); });
}

Control::Targets Control::handshake_targets(Time now) const noexcept {
  FixedVector<const Path*, kPathCountMax> order;
  for (const auto& path : paths_)
    if (!path->is_blocked()) (void)order.push(path.get());
  const auto key = [&](const Path* path) {
    const PathView view = path->view(now, FlowCare::Plain);
    return std::tuple(-static_cast<int>(view.usability), view.rank, view.delay, view.id);
  };
  std::sort(order.begin(), order.end(),
            [&](const Path* a, const Path* b) { return key(a) < key(b); });
  Targets targets;
  for (const Path* path : order) (void)targets.push(path->address());
  return targets;
}

std::string Control::path_name(const Path& path) const {
  const std::string& wan = settings_.wans[path.address().socket.value].name;
  if (path.origin() == PathOrigin::Learned && !path.peer_name().empty())
    return wan + ">" + path.peer_name();
  return wan + ">" + path.address().remote.to_string();
}

}  // namespace wanbond
