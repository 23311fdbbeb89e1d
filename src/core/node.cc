#include "core/node.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/ecn.h"
#include "base/mss.h"
#include "core/admission.h"
#include "core/answer_cache.h"
#include "core/routes.h"
#include "core/session.h"
#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// A loop that comes later than this was kept from running; what was not read meanwhile is no
// silence of the peers'.
constexpr Duration kLateMin = 5ms;
// Peers in one batch; there are as many places as the I/O gives completions.
constexpr std::size_t kTouchedMax = 64;

/// What the virtio header in front of a packet says of its checksum.
TcpSum sum_of(Bytes read) noexcept {
  return (VirtioHeader::parse(read)->flags & kVirtioNeedsChecksum) != 0 ? TcpSum::Partial
                                                                        : TcpSum::Full;
}

}  // namespace

struct Node::State {
  State(NodeSettings s, PacketPool& p, Random& r);

  /// To be called first with every input: notices how long the loop could not run.
  void on_input(Time now) noexcept;
  WallTime wall_at(Time now) const noexcept { return {wall.unix_ns + (now - wall_seen).count()}; }
  void finish(Time now, std::size_t index, Outbox& out) noexcept;
  /// finish() is to be called at the end of the batch.
  void touch(Time now, std::size_t index, Outbox& out) noexcept;
  void finish_touched(Time now, Outbox& out) noexcept;
  Time next_due() const noexcept;
  void on_datagram(Time now, const PathAddress& from, MutableBytes datagram, Outbox& out) noexcept;
  void on_sealed(Time now, const PathAddress& from, MutableBytes datagram, Outbox& out) noexcept;
  /// Lowers the MSS that the SYN behind the virtio header offers to what the peer's paths carry.
  void clamp(PeerId peer, MutableBytes room, const InnerPacket& inner, TcpSum sum) noexcept;
  /// `outer` is the traffic class that the datagram came with.
  void deliver(PeerId peer, const InnerArrival& inner, std::uint8_t outer, Outbox& out) noexcept;
  void deliver_released(std::size_t index, Outbox& out) noexcept;
  void deliver_acknowledgements(std::size_t index, Outbox& out) noexcept;
  void deliver_waited(std::size_t index, ReleasedPacket released, Outbox& out) noexcept;
  void flush(Outbox& out) noexcept;
  void on_handshake(Time now, const PathAddress& from, Bytes message, Outbox& out) noexcept;
  void on_cookie(Time now, const PathAddress& from, Bytes message, Outbox& out) noexcept;
  void ask_cookie(Time now, const PathAddress& from, Bytes message, Outbox& out) noexcept;
  void work_off_handshake(Time now, Outbox& out) noexcept;
  void work_off_init(Time now, const PathAddress& from, Bytes message, Outbox& out) noexcept;

  NodeSettings settings;
  std::vector<WanState> wan_states;
  PacketPool& pool;
  Random& random;
  LocalIdentity local;
  std::vector<RemoteIdentity> remotes;
  DropCounters drops;
  SlotTable slots;
  RouteTable routes;
  RouteTable::Memo last_destination, last_source;
  Admission admission;
  CookieJar jar;
  AnswerCache answers;
  Coalescer coalescer;
  TooBigReplies too_big;
  FlowNames names;
  std::uint8_t outer_class = 0;  // of the datagrams in this call
  Time arrived_at{};             // the same
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<std::pair<PublicKey, std::uint16_t>> by_key;
  std::vector<Time> due;                            // next timeout of each session
  FixedVector<std::uint16_t, kTouchedMax> touched;  // had packets in this batch
  std::vector<bool> is_touched;
  /// Packets that have waited and are being written to the TUN: those handed out since the last
  /// batch ended, and those of the batch before, which the driver may still be writing.
  std::vector<Packet> delivered, written;

  WallTime wall{};
  Time wall_seen{};
  Time last_seen{};
  Duration late{};
};

Node::State::State(NodeSettings s, PacketPool& p, Random& r)
    : settings(std::move(s)),
      wan_states(settings.wans.size()),
      pool(p),
      random(r),
      local(settings.keys, settings.netkey),
      routes(settings.peers),
      admission(random),
      jar(random),
      coalescer(settings.tun_udp),
      names(random) {}

Node::Node(NodeSettings settings, PacketPool& pool, Random& random)
    : state_(std::make_unique<State>(std::move(settings), pool, random)) {
  State& s = *state_;
  const SessionShared shared{s.settings, s.wan_states, s.local,   s.pool,  s.random,
                             s.slots,    s.drops,      s.too_big, s.names, random.u64()};
  s.remotes.reserve(s.settings.peers.size());  // sessions point into it
  for (std::size_t i = 0; i < s.settings.peers.size(); ++i) {
    const PeerSettings& peer = s.settings.peers[i];
    auto remote = RemoteIdentity::make(s.local, peer.public_key, peer.preshared_key);
    s.remotes.push_back(std::move(remote).value());  // the configuration has tried this key
    const PeerId id{static_cast<std::uint16_t>(i)};
    s.sessions.push_back(std::make_unique<Session>(Time{}, id, s.remotes.back(), shared));
    s.by_key.emplace_back(peer.public_key, id.value);
    s.due.push_back(s.sessions.back()->next_timeout());
  }
  s.is_touched.resize(s.sessions.size());
  std::sort(s.by_key.begin(), s.by_key.end());
}

Node::~Node() = default;

void Node::State::on_input(Time now) noexcept {
  check(now >= last_seen);
  const Time before = std::exchange(last_seen, now);
  if (before == Time{} || now - before <= kLateMin) return;
  const Duration gap = now - std::max(next_due(), before);
  if (gap <= kLateMin) return;
  late += gap;
  for (const auto& session : sessions) session->on_late(now, gap);
}

void Node::State::finish(Time now, std::size_t index, Outbox& out) noexcept {
  Session& session = *sessions[index];
  session.finish(now, wall_at(now), out);
  deliver_released(index, out);
  routes.set_up(PeerId{static_cast<std::uint16_t>(index)}, session.is_up());
  due[index] = session.next_timeout();
}

// What a session does after its packets costs more than a small packet: once per batch.
void Node::State::touch(Time now, std::size_t index, Outbox& out) noexcept {
  if (is_touched[index]) return;
  if (touched.full()) finish_touched(now, out);
  is_touched[index] = true;
  (void)touched.push(static_cast<std::uint16_t>(index));  // not full: see above
}

void Node::State::finish_touched(Time now, Outbox& out) noexcept {
  for (const std::uint16_t index : touched) {
    is_touched[index] = false;
    finish(now, index, out);
  }
  touched.clear();
}

Time Node::State::next_due() const noexcept {
  return due.empty() ? kNever : *std::min_element(due.begin(), due.end());
}

void Node::on_tun(Time now, Packet packet, Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  const auto super = SuperPacket::parse(packet.bytes());
  if (!super) return s.drops.add(DropReason::InnerMalformed);
  const auto peer = s.routes.find(super->inner().destination, s.last_destination);
  if (!peer) return s.drops.add(DropReason::NoRoute, super->segment_count());
  s.touch(now, peer->value, out);
  if ((super->inner().tcp_flags & kTcpSyn) != 0)
    s.clamp(*peer, packet.bytes(), super->inner(), sum_of(packet.bytes()));
  s.sessions[peer->value]->on_super_packet(now, *super, std::move(packet), out);
}

void Node::State::clamp(PeerId peer, MutableBytes room, const InnerPacket& inner,
                        TcpSum sum) noexcept {
  (void)clamp_mss(room.subspan(kVirtioHeaderBytes), inner, sessions[peer.value]->inner_bytes_max(),
                  sum);
}

void Node::on_datagrams(Time now, const Received& received, Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  const PathAddress from{received.socket, received.remote, received.local};
  s.outer_class = received.tos;
  s.arrived_at = received.at;
  MutableBytes rest = received.bytes;
  if (rest.empty()) s.drops.add(DropReason::Malformed);
  while (!rest.empty()) {
    const std::size_t size = std::min<std::size_t>(
        received.segment_bytes == 0 ? rest.size() : received.segment_bytes, rest.size());
    s.on_datagram(now, from, rest.first(size), out);
    rest = rest.subspan(size);
  }
}

void Node::State::on_datagram(Time now, const PathAddress& from, MutableBytes datagram,
                              Outbox& out) noexcept {
  WireError error{};
  const auto type = message_type(datagram, error);
  if (!type) return drops.add(DropReason::Malformed);
  switch (*type) {
    case MessageType::Data:
    case MessageType::Ctrl:
      return on_sealed(now, from, datagram, out);
    case MessageType::HsInit:
    case MessageType::HsResp:
      return on_handshake(now, from, datagram, out);
    case MessageType::HsCookie:
      return on_cookie(now, from, datagram, out);
    case MessageType::Relay:
      break;
  }
  drops.add(DropReason::Malformed);
}

void Node::State::on_sealed(Time now, const PathAddress& from, MutableBytes datagram,
                            Outbox& out) noexcept {
  WireError error{};
  const auto header = parse_header(datagram, error);
  if (!header) return drops.add(DropReason::Malformed);
  const auto owner = slots.find(header->cid.value);
  if (!owner || owner->epoch >= Exchange::kAttemptOwner)
    return drops.add(DropReason::UnknownConnection);
  const std::size_t index = owner->peer.value;
  const EpochId epoch{static_cast<std::uint8_t>(owner->epoch)};
  const auto inner = sessions[index]->on_datagram(
      now, {epoch, *header, from, outer_class, arrived_at}, datagram, out);
  touch(now, index, out);
  if (inner) deliver(owner->peer, *inner, outer_class, out);
  deliver_released(index, out);
  // Frames may have changed where data is to go.
  if (header->type == MessageType::Ctrl) finish(now, index, out);
}

void Node::State::deliver_released(std::size_t index, Outbox& out) noexcept {
  while (auto released = sessions[index]->take_released())
    deliver_waited(index, std::move(*released), out);
  deliver_acknowledgements(index, out);
}

void Node::State::deliver_acknowledgements(std::size_t index, Outbox& out) noexcept {
  while (auto ack = sessions[index]->take_acknowledgement())
    deliver_waited(index, std::move(*ack), out);
}

void Node::State::deliver_waited(std::size_t index, ReleasedPacket released, Outbox& out) noexcept {
  delivered.push_back(std::move(released.packet));
  InnerArrival inner;
  inner.room = delivered.back().bytes();
  inner.flags = released.flags;
  deliver(PeerId{static_cast<std::uint16_t>(index)}, inner, released.note, out);
}

void Node::State::flush(Outbox& out) noexcept {
  coalescer.flush([&](std::span<const Bytes> parts) {
    if (!out.write_tun(parts)) drops.add(DropReason::QueueFull, parts.size());
  });
}

/// Station 8: only a packet whose source belongs to the peer reaches the LAN.
void Node::State::deliver(PeerId peer, const InnerArrival& inner, std::uint8_t outer,
                          Outbox& out) noexcept {
  const MutableBytes bytes = inner.room.subspan(kVirtioHeaderBytes);
  auto packet = parse_inner(bytes);
  if (!packet) return drops.add(DropReason::InnerMalformed);
  if (!routes.allows(peer, packet->source, last_source))
    return drops.add(DropReason::SourceNotAllowed);
  if (packet->is_tcp() && sessions[peer.value]->on_inner(last_seen, bytes, *packet))
    deliver_acknowledgements(peer.value, out);
  if ((outer & kEcnMask) != 0) {
    const auto combined = decapsulated_class(packet->traffic_class, outer);
    if (!combined) return drops.add(DropReason::MarkedCe);
    if (*combined != packet->traffic_class) set_traffic_class(bytes, *packet, *combined);
  }
  const bool partial = (inner.flags & kDataPartialSum) != 0;
  if ((packet->tcp_flags & kTcpSyn) != 0)
    clamp(peer, inner.room, *packet, partial ? TcpSum::Partial : TcpSum::Full);
  const auto write = [&](std::span<const Bytes> parts) {
    if (!out.write_tun(parts)) drops.add(DropReason::QueueFull, parts.size());
  };
  if (!coalescer.push(inner.room, *packet, partial ? Checksum::Partial : Checksum::Full, write))
    drops.add(DropReason::InnerMalformed);
}

void Node::on_batch_end(Time now, Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  s.finish_touched(now, out);
  s.flush(out);
  s.written.clear();
  s.written.swap(s.delivered);
  s.work_off_handshake(now, out);
}

void Node::State::on_handshake(Time now, const PathAddress& from, Bytes message,
                               Outbox& out) noexcept {
  const bool is_init = is_well_formed_init(message);
  if (!is_init && !is_well_formed_resp(message)) return drops.add(DropReason::Malformed);
  if (!verify_mac1(local.guard(), message)) return drops.add(DropReason::BadMac);
  if (is_init) {
    const AnswerCache::Found known = answers.find(now, message);
    if (known.answer != nullptr) return send_plain(from, *known.answer, pool, drops, out);
    if (known.spent) return drops.add(DropReason::RateLimited);
    if (admission.under_load(now) && !jar.verify_mac2(now, from.remote, message))
      return ask_cookie(now, from, message, out);
    if (!admission.source_allowed(now, from.remote.address))
      return drops.add(DropReason::RateLimited);
  } else {
    const auto owner = slots.find(answered_cid_base(message));
    if (!owner || owner->epoch != Exchange::kAttemptOwner)
      return drops.add(DropReason::StaleHandshake);
  }
  PendingHandshake pending{.size = static_cast<std::uint16_t>(message.size()),
                           .socket = from.socket,
                           .remote = from.remote,
                           .local = from.local};
  std::copy(message.begin(), message.end(), pending.bytes.begin());
  if (!admission.push(now, pending)) drops.add(DropReason::RateLimited);
}

void Node::State::ask_cookie(Time now, const PathAddress& from, Bytes message,
                             Outbox& out) noexcept {
  drops.add(DropReason::RateLimited);
  if (!admission.cookie_allowed(now)) return;
  send_plain(from, jar.make_reply(now, local.guard(), message, from.remote), pool, drops, out);
}

void Node::State::on_cookie(Time now, const PathAddress& from, Bytes message,
                            Outbox& out) noexcept {
  if (!is_well_formed_cookie_reply(message)) return drops.add(DropReason::Malformed);
  const auto owner = slots.find(first_cid_base(message));
  if (!owner || owner->epoch != Exchange::kAttemptOwner)
    return drops.add(DropReason::StaleHandshake);
  sessions[owner->peer.value]->on_cookie(now, message, from);
  finish(now, owner->peer.value, out);
}

void Node::State::work_off_handshake(Time now, Outbox& out) noexcept {
  const auto pending = admission.pop(now);
  if (!pending) return;
  const PathAddress from{pending->socket, pending->remote, pending->local};
  const Bytes message = pending->message();
  if (is_well_formed_init(message)) return work_off_init(now, from, message, out);
  const auto owner = slots.find(answered_cid_base(message));
  if (!owner || owner->epoch != Exchange::kAttemptOwner)
    return drops.add(DropReason::StaleHandshake);
  sessions[owner->peer.value]->on_response(now, message, from, out);
  finish(now, owner->peer.value, out);
}

void Node::State::work_off_init(Time now, const PathAddress& from, Bytes message,
                                Outbox& out) noexcept {
  auto init = ReceivedInit::read(local, message);
  if (!init) return drops.add(DropReason::UnknownPeer);
  const auto found =
      std::lower_bound(by_key.begin(), by_key.end(), init->peer(),
                       [](const auto& entry, const PublicKey& key) { return entry.first < key; });
  if (found == by_key.end() || found->first != init->peer())
    return drops.add(DropReason::UnknownPeer);
  RespMessage answer;
  switch (sessions[found->second]->on_init(now, *init, from, jar, answer)) {
    case Session::InitVerdict::Answered:
      answers.store(now, message, answer);
      send_plain(from, answer, pool, drops, out);
      break;
    case Session::InitVerdict::ProveAddress:
      ask_cookie(now, from, message, out);
      break;
    case Session::InitVerdict::Dropped:
      break;
  }
  finish(now, found->second, out);
}

void Node::on_send_failed(Time now, SocketId socket, const Endpoint& remote, int error,
                          Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  s.drops.add(error == EMSGSIZE ? DropReason::TooBig : DropReason::SendFailed);
  for (std::size_t i = 0; error == EMSGSIZE && i < s.sessions.size(); ++i)
    if (s.sessions[i]->on_too_big(now, socket, remote)) s.finish(now, i, out);
  if (error == EMSGSIZE || error == ENOBUFS || error == EAGAIN || error == ENOMEM) return;
  const bool is_gone = error == ENETDOWN || error == ENODEV || error == ENXIO;
  const Cause cause = is_gone ? Cause::WanLost : Cause::SendRefused;
  for (std::size_t i = 0; i < s.sessions.size(); ++i) {
    s.sessions[i]->on_send_refused(now, socket, remote, cause);
    s.finish(now, i, out);
  }
}

void Node::on_endpoint(Time now, PeerId peer, std::size_t index, const Endpoint& endpoint,
                       Outbox& out) noexcept {
  state_->on_input(now);
  state_->sessions[peer.value]->on_endpoint(now, index, endpoint);
  state_->finish(now, peer.value, out);
}

void Node::on_wan(Time now, SocketId wan, const WanState& state, Outbox& out) {
  State& s = *state_;
  s.on_input(now);
  WanSettings& settings = s.settings.wans[wan.value];
  settings.mtu_bytes = state.mtu_bytes;
  if (settings.name.empty()) settings.name = state.name;
  s.wan_states[wan.value] = state;
  for (std::size_t i = 0; i < s.sessions.size(); ++i) {
    s.sessions[i]->on_wan(now, wan);
    s.finish(now, i, out);
  }
}

void Node::order_wan(Time now, SocketId wan, PathOrder order, Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  for (std::size_t i = 0; i < s.sessions.size(); ++i) {
    s.sessions[i]->order_wan(now, wan, order);
    s.finish(now, i, out);
  }
}

std::size_t Node::order_path(Time now, std::string_view name, PathOrder order,
                             Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  std::size_t count = 0;
  for (std::size_t i = 0; i < s.sessions.size(); ++i) {
    const std::string prefix = s.settings.peers[i].name + "/";
    const bool is_one = name.starts_with(prefix);
    count += s.sessions[i]->order_path(now, is_one ? name.substr(prefix.size()) : name, order);
    s.finish(now, i, out);
  }
  return count;
}

void Node::on_timer(Time now, WallTime wall, Outbox& out) noexcept {
  State& s = *state_;
  s.on_input(now);
  s.wall = wall;
  s.wall_seen = now;
  const Duration late = std::exchange(s.late, Duration::zero());
  for (std::size_t i = 0; i < s.sessions.size(); ++i) {
    Session& session = *s.sessions[i];
    if (late == Duration::zero() && s.due[i] > now) continue;
    session.on_timer(now, late);
    s.finish(now, i, out);
  }
  s.flush(out);
  s.work_off_handshake(now, out);
}

Time Node::next_timeout() const noexcept {
  const State& s = *state_;
  return std::min(s.admission.next_timeout(s.last_seen), s.next_due());
}

void Node::close(Time now, Outbox& out) noexcept {
  state_->on_input(now);
  for (const auto& session : state_->sessions) session->close(now, out);
}

std::optional<FlowExplanation> Node::explain(Time now, const InnerPacket& inner,
                                             std::uint32_t bytes) const {
  RouteTable::Memo memo;
  const auto peer = state_->routes.find(inner.destination, memo);
  if (!peer) return {};
  return state_->sessions[peer->value]->explain(now, inner, bytes);
}

NodeStatus Node::status(Time now) const {
  NodeStatus status{.peers = {}, .rules = {}, .drops = state_->drops};
  for (const FlowRule& rule : state_->settings.rules)
    status.rules.push_back({.name = rule.name, .mode = rule.mode, .total = {}});
  for (const auto& session : state_->sessions) {
    status.peers.push_back(session->status(now));
    for (std::size_t i = 0; i < status.rules.size(); ++i)
      status.rules[i].total += status.peers.back().rules[i];
  }
  return status;
}

}  // namespace wanbond
