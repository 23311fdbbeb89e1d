#include "core/session.h"

#include <algorithm>
#include <utility>

#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// After the peer said goodbye it is given this long before it is called again.
constexpr Duration kPauseAfterClose = 1s;
// A peer that hears data answers with a heartbeat within a round trip and 20 ms. One that has
// restarted has no keys and stays silent; a path that was idle would take 1.2 s to show it.
constexpr Duration kDoubtAfter = 200ms;
constexpr std::size_t kIpv4UdpBytes = 28;  // of IPv4 and UDP headers

EcnMode ecn_of(std::uint16_t features) noexcept {
  return (features & kFeatureEcn) != 0 ? EcnMode::Normal : EcnMode::Compatibility;
}

static_assert(SequencedArrival::kOrdered == kDataOrdered && SequencedArrival::kCopy == kDataCopy &&
              SequencedArrival::kFirst == kDataFirst && SequencedArrival::kVoid == kDataVoid);
static_assert(Resequencer::kStreamsMax == kStreamCountMax &&
              FlowTable::kStreamsMax == kStreamCountMax);

FlowKind kind_of(const InnerPacket& inner) noexcept {
  if (inner.goes_with_tcp()) return FlowKind::Tcp;
  return inner.goes_with_udp() ? FlowKind::Udp : FlowKind::Other;
}

ArrivalKind kind_of(std::uint8_t flags) noexcept {
  if ((flags & kDataTrain) != 0) return ArrivalKind::Probe;
  return (flags & kDataBacklogged) != 0 ? ArrivalKind::Backlogged : ArrivalKind::Plain;
}

KeyLimits limits_of(const NodeSettings& settings) noexcept {
  KeyLimits limits;
  limits.rekey_after = std::min(limits.rekey_after, settings.rekey_after);
  limits.rekey_jitter = limits.rekey_after / 12;
  limits.responder_rekey_after = limits.rekey_after * 5 / 4;
  return limits;
}

InitFacts facts_of(const PeerSettings& peer, const SessionShared& shared) noexcept {
  InitFacts facts{.cipher_offer = cipher_offer(peer.cipher),
                  .features = kFeatureEcn,
                  .boot_id = shared.boot_id};
  if (peer.endpoints.empty()) facts.features |= kFeaturePassive;
  std::uint16_t mtu = 0;
  for (const WanSettings& wan : shared.settings.wans) mtu = std::max(mtu, wan.mtu_bytes);
  facts.payload_bytes_max =
      static_cast<std::uint16_t>(std::min<std::size_t>(mtu - kIpv4UdpBytes, kUdpPayloadBytesMax));
  return facts;
}

}  // namespace

Session::Session(Time now, PeerId peer, const RemoteIdentity& remote, const SessionShared& shared)
    : peer_(peer),
      configured_(shared.settings.peers[peer.value]),
      remote_(remote),
      shared_(shared),
      half_(shared.local.public_key() < remote.public_key() ? OpenerHalf::First
                                                            : OpenerHalf::Second),
      keyring_(shared.random, limits_of(shared.settings), shared.settings.aead),
      control_(now, {peer, half_, configured_, shared.settings.wans, shared.wan_states},
               shared.random),
      exchange_(shared.local, remote_, facts_of(configured_, shared), peer, shared.slots,
                shared.random),
      digest_(shared.random),
      policy_(shared.settings),
      egress_(keyring_, shared.pool, shared.drops, retained_),
      salvage_(egress_, retained_, flows_),
      held_acks_(shared.pool),
      dispatcher_({egress_, retained_, control_, held_acks_}),
      ingress_(keyring_, shared.drops),
      resequencer_(shared.pool),
      init_limit_(kHandshakesPerPeerMax, kHandshakesPerPeerMax) {}

void Session::on_super_packet(Time now, const SuperPacket& super, Packet packet,
                              Outbox& out) noexcept {
  const auto other = shared_.names.find(now, super.packet(), super.inner());
  const InnerPacket& named = other ? other->view : super.inner();
  const std::uint64_t digest = digest_(named);
  const bool is_error = other && other->part == NamedPacket::Part::Error;
  Flow* flow = is_error ? flows_.find(digest) : flows_.use(now, digest, kind_of(named));
  const PlacedPacket placed{flow, digest, super, named};
  const Placement placement = is_error ? policy_.place_along(placed) : policy_.place(now, placed);
  if (placement.kind != Placement::Kind::Default)
    return send_placed(now, placement, is_error ? nullptr : flow, super, std::move(packet), out);
  if (is_error) flow = nullptr;  // it has no place in its order
  BulkStage stage = placement.is_repaired ? BulkStage::Bulk : BulkStage::Plain;
  if (flow != nullptr && stage == BulkStage::Plain && super.inner().is_udp())
    stage = bulk_stage(now, *flow, super);
  const auto to = route(stage == BulkStage::Bulk ? FlowCare::Repaired : FlowCare::Plain);
  if (!to) return shared_.drops.add(DropReason::NoPath, super.segment_count());
  if (super.segment_bytes_max() + kDataOverheadBytes > to->payload_bytes_max)
    return on_oversized(now, super, *to, out);
  if (flow == nullptr || stage == BulkStage::Plain)
    return on_sent(now, egress_.send(now, super, *to, {}, out));
  const Spread spread = stage == BulkStage::Bulk ? Spread::AllPaths : Spread::AtOnce;
  if (spread == Spread::AllPaths) dispatcher_.set_hold(*flow, placement.hold);
  send_repaired(now, *flow, super, std::move(packet), {*to, spread}, out);
}

void Session::send_repaired(Time now, Flow& flow, const SuperPacket& super, Packet packet,
                            const RepairedRoute& route, Outbox& out) noexcept {
  const FlowTrack track = track_of(super.inner());
  const Marking marking = mark(flow, track, super.inner());
  const Path* pinned = route.spread == Spread::OnePath ? &route.to.path : nullptr;
  std::optional<std::uint16_t> bucket;
  if (track == FlowTrack::Data && dispatcher_.is_active() && route.spread != Spread::AtOnce &&
      super.segment_bytes_max() + kDataOverheadBytes <= dispatcher_.payload_bytes_max())
    bucket = dispatcher_.bucket_of(flow, pinned);
  const std::optional<SentCount> at_once = bucket
                                               ? dispatcher_.pass(now, *bucket, super, marking, out)
                                               : egress_.send(now, super, route.to, marking, out);
  const SentCount sent = at_once.value_or(SentCount{super.segment_count(), super.packet().size()});
  if (!at_once && !dispatcher_.push(now, *bucket, super, std::move(packet), marking))
    return shared_.drops.add(DropReason::QueueFull, sent.segments);
  if (at_once && sent.segments > 0) retained_.keep(now, std::move(packet), sent.segments);
  flow.advance(track, sent.segments);
  on_sent(now, sent);
}

FlowTrack Session::track_of(const InnerPacket& inner) noexcept {
  constexpr std::uint8_t kMore = kTcpSyn | kTcpFin | kTcpRst;
  const bool is_pure_ack =
      inner.is_tcp() && inner.payload_bytes() == 0 && (inner.tcp_flags & kMore) == 0;
  return is_pure_ack ? FlowTrack::Acks : FlowTrack::Data;
}

Marking Session::mark(Flow& flow, FlowTrack track, const InnerPacket& inner) noexcept {
  Marking marking{.stream = flow.stream(track),
                  .sequence = flow.next(track),
                  .flags = track == FlowTrack::Data ? kDataOrdered : std::uint8_t{0},
                  .kept = retained_.next_number()};
  if (flow.is_new(track)) marking.flags |= kDataFirst;
  if ((inner.tcp_flags & (kTcpFin | kTcpRst)) != 0) flow.close();
  return marking;
}

void Session::on_sent(Time now, const SentCount& sent) noexcept {
  if (sent.segments == 0) return;
  salvage_.on_sent(sent.bytes);
  policy_.on_sent(sent.bytes);
  unanswered_since_ = std::min(unanswered_since_, now);
  tx_packets_ += sent.segments;
  tx_bytes_ += sent.bytes;
}

std::optional<SendPath> Session::route(FlowCare care) noexcept {
  Path* path = control_.selected(care);
  if (path == nullptr) return {};
  return SendPath{*path, egress_.payload_bytes_max(*path)};
}

std::optional<InnerArrival> Session::on_datagram(Time now, const DatagramHead& head,
                                                 MutableBytes datagram, Outbox& out) noexcept {
  const auto& [epoch, header, from, outer_class, at] = head;
  const auto bytes = static_cast<std::uint32_t>(datagram.size());
  auto opened = ingress_.open(now, epoch, header, datagram);
  if (!opened) return {};
  unanswered_since_ = kNever;
  // A late packet under the old keys is a sign of life, but says nothing new.
  const bool is_current = opened->promoted || epoch == current_epoch_;
  const Arrival arrival{.from = from,
                        .number = header.packet_number,
                        .bytes = bytes,
                        .epoch = is_current ? std::optional(epoch.value) : std::nullopt,
                        .newest = is_current && opened->newest,
                        .at = at};
  Path* path = control_.on_arrival(now, header.cid.path(), arrival, out);
  if (opened->promoted) on_promoted(now, epoch, from, out);
  if (const auto* control = std::get_if<ControlArrival>(&opened->content)) {
    if (path == nullptr) return {};
    path->on_control_stamp(arrival, control->stamp);
    dispatcher_.on_heard(now, *path, {at, control->stamp});
    on_reports(now, control->frames, out);
    if (!control_.on_frames(now, *path, control->frames, arrival)) return {};
    lose_keys(now, Cause::PeerClosed);
    exchange_not_before_ = now + kPauseAfterClose;
    return {};
  }
  const auto* inner = std::get_if<InnerArrival>(&opened->content);
  if (inner == nullptr) return {};
  arrived_on_ = path == nullptr ? std::nullopt : std::optional(path->id());
  if (path != nullptr) path->on_data_received(now, arrival, inner->stamp, kind_of(inner->flags));
  if ((inner->flags & kDataTrain) != 0) {  // only its pace mattered
    ++rx_probes_;
    return {};
  }
  return in_turn(now, *inner, outer_class);
}

std::optional<InnerArrival> Session::in_turn(Time now, const InnerArrival& inner,
                                             std::uint8_t outer_class) noexcept {
  const auto verdict =
      resequencer_.push(now, {inner.stream, inner.sequence, inner.flags, outer_class, inner.room});
  if (inner.room.empty()) return {};
  if (verdict == Resequencer::Verdict::Duplicate) {
    shared_.drops.add(DropReason::Duplicate);
    return {};
  }
  ++rx_packets_;
  rx_bytes_ += inner.room.size() - kVirtioHeaderBytes;
  if (verdict == Resequencer::Verdict::Held) return {};
  if (held_acks_.may_hold(now) && hold(now, inner, outer_class)) return {};
  return inner;
}

/// What the peer says of any of our paths.
void Session::on_reports(Time now, FrameReader frames, Outbox& out) noexcept {
  const auto to = repair_route(now);
  while (const std::optional<Frame> frame = frames.next()) {
    if (const auto* map = std::get_if<LanMapFrame>(&*frame))
      policy_.on_lan_map(*map, configured_.allowed_ips);
    const auto* report = std::get_if<FeedbackFrame>(&*frame);
    Path* reported = report == nullptr ? nullptr : control_.find(report->path);
    if (reported == nullptr) continue;
    salvage_.on_report(now, *reported, *report, to ? &*to : nullptr, out);
    dispatcher_.on_report(now, *reported, *report);
    heard_reports_ = true;
  }
}

/// Sends what is due on a path. A report with news also goes over the two fastest: the reported one
/// may not carry it, and neither may one of them.
void Session::send_reports(Time now, Path& path, Outbox& out) noexcept {
  while (auto plan = path.poll_transmit(now)) {
    policy_.add_lan_maps(now, path, *plan);
    egress_.send_control(now, *plan, path, out);
    if (!path.has_reported_news()) continue;
    for (const Frame& frame : plan->frames) {
      if (!std::holds_alternative<FeedbackFrame>(frame)) continue;
      for (Path* other : control_.fastest_two()) {
        if (other == nullptr || other == &path) continue;
        ControlPlan copy{.to = other->address(), .frames = {}};
        (void)copy.frames.push(frame);  // the first of eight
        egress_.send_control(now, copy, *other, out);
      }
    }
  }
}

/// What the peer must know goes over every path that may carry it.
void Session::send_notices(Time now, Outbox& out) noexcept {
  for (auto frames = control_.poll_notices(now); !frames.empty();
       frames = control_.poll_notices(now)) {
    for (const auto& path : control_.paths())
      if (path->is_usable())
        egress_.send_control(now, {.to = path->address(), .frames = frames}, *path, out);
  }
}

Session::InitVerdict Session::on_init(Time now, ReceivedInit& init, const PathAddress& from,
                                      CookieJar& jar, RespMessage& answer) noexcept {
  const auto drop = [&](DropReason reason) {
    shared_.drops.add(reason);
    return InitVerdict::Dropped;
  };
  if (!init_limit_.take(now)) return drop(DropReason::RateLimited);
  const auto payload = init.read_payload(remote_);
  if (!payload) return drop(DropReason::UnknownPeer);
  const bool proven =
      payload->retry_echo != 0 && jar.matches_echo(now, from.remote, payload->retry_echo);
  if (payload->timestamp <= last_stamp_ && !proven) {
    if (now < stale_reply_at_) return drop(DropReason::StaleHandshake);
    stale_reply_at_ = now + kStaleReplyGap;
    return InitVerdict::ProveAddress;
  }
  if (half_ == OpenerHalf::First && exchange_.is_crossing(now)) {
    exchange_.send_also_to(from);  // ours may not have reached the peer there
    return drop(DropReason::StaleHandshake);
  }
  const auto cipher = choose_cipher(payload->cipher_offer, configured_.cipher);
  if (!cipher) return drop(DropReason::CipherMismatch);
  const auto cid_base = shared_.slots.allocate({peer_, 0}, shared_.random);
  if (!cid_base) return drop(DropReason::QueueFull);
  const InitFacts own = facts_of(configured_, shared_);
  const auto answered =
      init.respond(remote_,
                   {.cipher = *cipher,
                    .features = static_cast<std::uint16_t>(payload->features & kFeatureEcn),
                    .cid_base = *cid_base,
                    .highest_path = kPathCountMax - 1,
                    .payload_bytes_max = own.payload_bytes_max,
                    .boot_id = own.boot_id},
                   shared_.random);
  if (!answered) {
    shared_.slots.release(*cid_base);
    return drop(DropReason::UnknownPeer);
  }
  exchange_.cancel();
  last_stamp_ = payload->timestamp;
  const EpochId epoch =
      keyring_.install_responder(now, answered->keys, {*cid_base, payload->cid_base});
  release_slots();
  shared_.slots.assign(*cid_base, {peer_, epoch.value});
  facts_[epoch.value] = {payload->boot_id, payload->payload_bytes_max, from,
                         ecn_of(payload->features)};
  answer = answered->message;
  return InitVerdict::Answered;
}

void Session::on_response(Time now, Bytes message, const PathAddress& from, Outbox& out) noexcept {
  const auto completed = exchange_.on_response(message);
  if (!completed) return shared_.drops.add(DropReason::StaleHandshake);
  const EpochId epoch = keyring_.install_initiator(now, completed->keys, completed->cids);
  release_slots();
  shared_.slots.assign(completed->cids.local, {peer_, epoch.value});
  facts_[epoch.value] = {completed->payload.boot_id, completed->payload.payload_bytes_max, from,
                         ecn_of(completed->payload.features)};
  adopt(now, epoch, from, out);
}

void Session::on_cookie(Time now, Bytes reply, const PathAddress& from) noexcept {
  if (!exchange_.on_cookie(now, reply, from)) shared_.drops.add(DropReason::StaleHandshake);
}

void Session::on_promoted(Time now, EpochId epoch, const PathAddress& from, Outbox& out) noexcept {
  exchange_.cancel();
  adopt(now, epoch, from, out);
}

void Session::adopt(Time now, EpochId epoch, const PathAddress& proven, Outbox& out) noexcept {
  const PeerFacts& facts = facts_[epoch.value];
  const bool same_place = facts.from.socket == proven.socket && facts.from.remote == proven.remote;
  if (current_.boot_id != 0 && current_.boot_id != facts.boot_id) {
    control_.on_peer_restarted(now);
    flows_.on_peer_restarted();
    policy_.on_peer_restarted();
    resequencer_.reset();
  }
  for (const auto& path : control_.paths())
    if (path->next_number() < kNumberRestart)
      keyring_.skip_numbers(path->id(), path->next_number());
  current_ = facts;
  current_epoch_ = epoch;
  egress_.set_ecn(facts.ecn);
  egress_.set_peer_bytes_max(facts.payload_bytes_max);
  has_keys_ = true;
  control_.on_keys(now, same_place ? std::optional(proven) : std::nullopt);
  out.report({.at = now, .kind = EventKind::KeysChanged, .peer = peer_});
}

void Session::lose_keys(Time now, Cause cause) noexcept {
  keyring_.erase_all();
  release_slots();
  has_keys_ = false;
  control_.on_keys_lost(now, cause);
}

void Session::release_slots() noexcept {
  for (const std::uint32_t cid_base : keyring_.take_freed()) shared_.slots.release(cid_base);
}

void Session::on_send_refused(Time now, SocketId socket, const Endpoint& remote,
                              Cause cause) noexcept {
  control_.on_send_refused(now, socket, remote, cause);
}

bool Session::on_too_big(Time now, SocketId socket, const Endpoint& remote) noexcept {
  return control_.on_too_big(now, socket, remote);
}

void Session::on_endpoint(Time now, std::size_t index, const Endpoint& endpoint) {
  control_.on_endpoint(now, index, endpoint);
}

void Session::on_wan(Time now, SocketId wan) { control_.on_wan(now, wan); }

void Session::on_late(Time now, Duration late) noexcept {
  for (const auto& path : control_.paths()) path->on_late(now, late);
}

void Session::order_wan(Time now, SocketId wan, PathOrder order) noexcept {
  control_.order_wan(now, wan, order);
}

std::size_t Session::order_path(Time now, std::string_view name, PathOrder order) noexcept {
  return control_.order_path(now, name, order);
}

void Session::on_timer(Time now, Duration late) noexcept {
  keyring_.on_timer(now);
  release_slots();
  if (has_keys_ && !keyring_.can_send(now)) lose_keys(now, Cause::KeysExpired);
  control_.on_timer(now, late);
  watch(now);
  resequencer_.on_timer(now);
}

void Session::update_exchange(Time now) noexcept {
  const bool wanted =
      !has_keys_ || keyring_.rekey_wanted(now) || !control_.has_hope() || now >= doubt_at();
  if (wanted)
    exchange_.begin(now, exchange_not_before_);
  else if (exchange_.is_running())
    exchange_.cancel();
}

Time Session::doubt_at() const noexcept {
  if (unanswered_since_ == kNever || !has_keys_) return kNever;
  const Path* path = control_.selected(FlowCare::Plain);
  return unanswered_since_ + kDoubtAfter +
         (path == nullptr ? Duration::zero() : path->rtt().srtt());
}

void Session::finish(Time now, WallTime wall, Outbox& out) noexcept {
  egress_.flush(out);
  update_exchange(now);
  control_.settle(now, out);
  policy_.update(now, control_, dispatcher_.busy_paths());
  dispatcher_.update(now);
  salvage_.set_policy(dispatcher_.repair_policy());
  is_up_ = control_.selected(FlowCare::Plain) != nullptr;
  const auto reach = control_.has_usable() && now < doubt_at() ? Exchange::Reach::SomePathUp
                                                               : Exchange::Reach::AllPathsDown;
  if (exchange_.next_timeout() <= now) {
    const Control::Targets targets = control_.handshake_targets(now);
    while (const auto message = exchange_.poll(now, wall, reach, targets))
      send_plain(message->to, message->bytes, shared_.pool, shared_.drops, out);
  }
  send_notices(now, out);
  for (const auto& path : control_.paths()) {
    salvage(now, *path, out);
    if (path->next_timeout() <= now) send_reports(now, *path, out);
  }
  send_rescued(now, out);
  dispatcher_.pump(now, out);
  held_acks_.on_timer(now);
  egress_.flush(out);
  if (std::exchange(heard_reports_, false)) update_hold();
  const Time doubt = exchange_.is_running() ? kNever : doubt_at();
  due_ = std::min({keyring_.next_timeout(), exchange_.next_timeout(), control_.next_timeout(now),
                   policy_.next_timeout(), resequencer_.next_timeout(), dispatcher_.next_timeout(),
                   held_acks_.next_timeout(), rescue_at_, next_watch(), doubt});
}

void Session::close(Time now, Outbox& out) noexcept {
  egress_.flush(out);
  for (const auto& path : control_.paths()) {
    if (!path->is_usable()) continue;
    ControlPlan plan{.to = path->address()};
    (void)plan.frames.push(CloseFrame{CloseReason::Shutdown});  // the first of eight
    egress_.send_control(now, plan, *path, out);
  }
}

}  // namespace wanbond
