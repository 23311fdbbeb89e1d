#include "core/session.h"

#include <algorithm>

#include "proto/limits.h"

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
      control_(now, {peer, half_, configured_, shared.settings.wans}, shared.random),
      exchange_(shared.local, remote_, facts_of(configured_, shared), peer, shared.slots,
                shared.random),
      egress_(keyring_, shared.pool, shared.drops),
      ingress_(keyring_, shared.drops),
      init_limit_(kHandshakesPerPeerMax, kHandshakesPerPeerMax) {}

void Session::on_super_packet(Time now, const SuperPacket& super, Outbox& out) noexcept {
  Path* path = control_.selected();
  if (path == nullptr) return shared_.drops.add(DropReason::NoPath, super.segment_count());
  const std::size_t payload_max = payload_bytes_max(*path);
  if (super.segment_bytes_max() + kDataOverheadBytes > payload_max)
    return on_oversized(now, super, *path, out);
  const std::uint64_t bytes = egress_.send(now, super, *path, payload_max, out);
  if (bytes == 0) return;
  unanswered_since_ = std::min(unanswered_since_, now);
  tx_packets_ += super.segment_count();
  tx_bytes_ += bytes;
}

std::size_t Session::payload_bytes_max(const Path& path) const noexcept {
  return std::min<std::size_t>(path.payload_bytes_max(), current_.payload_bytes_max);
}

std::optional<InnerArrival> Session::on_datagram(Time now, EpochId epoch, const Header& header,
                                                 const PathAddress& from, MutableBytes datagram,
                                                 Outbox& out) noexcept {
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
                        .newest = is_current && opened->newest};
  Path* path = control_.on_arrival(now, header.cid.path(), arrival, out);
  if (opened->promoted) on_promoted(now, epoch, from, out);
  if (const auto* control = std::get_if<ControlArrival>(&opened->content)) {
    if (path == nullptr) return {};
    path->on_control_stamp(now, control->stamp);
    if (!control_.on_frames(now, *path, control->frames, arrival)) return {};
    lose_keys(now, Cause::PeerClosed);
    exchange_not_before_ = now + kPauseAfterClose;
    return {};
  }
  const auto* inner = std::get_if<InnerArrival>(&opened->content);
  if (inner == nullptr) return {};
  if (path != nullptr) path->on_data_received(now, inner->stamp);
  ++rx_packets_;
  rx_bytes_ += inner->room.size() - kVirtioHeaderBytes;
  return *inner;
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
  if (current_.boot_id != 0 && current_.boot_id != facts.boot_id) control_.on_peer_restarted(now);
  current_ = facts;
  current_epoch_ = epoch;
  egress_.set_ecn(facts.ecn);
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

void Session::on_endpoint(Time now, std::size_t index, const Endpoint& endpoint) noexcept {
  control_.on_endpoint(now, index, endpoint);
}

void Session::on_timer(Time now, Duration late) noexcept {
  keyring_.on_timer(now);
  release_slots();
  if (has_keys_ && !keyring_.can_send(now)) lose_keys(now, Cause::KeysExpired);
  control_.on_timer(now, late);
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
  const Path* path = control_.selected();
  return unanswered_since_ + kDoubtAfter +
         (path == nullptr ? Duration::zero() : path->rtt().srtt());
}

void Session::finish(Time now, WallTime wall, Outbox& out) noexcept {
  egress_.flush(out);
  update_exchange(now);
  control_.settle(now, out);
  is_up_ = control_.selected() != nullptr;
  const auto reach = control_.has_usable() && now < doubt_at() ? Exchange::Reach::SomePathUp
                                                               : Exchange::Reach::AllPathsDown;
  if (exchange_.next_timeout() <= now) {
    const Control::Targets targets = control_.handshake_targets(now);
    while (const auto message = exchange_.poll(now, wall, reach, targets))
      send_plain(message->to, message->bytes, shared_.pool, shared_.drops, out);
  }
  for (const auto& path : control_.paths()) {
    if (path->next_timeout() > now) continue;
    while (const auto plan = path->poll_transmit(now)) egress_.send_control(now, *plan, *path, out);
  }
  const Time doubt = exchange_.is_running() ? kNever : doubt_at();
  due_ = std::min(
      {keyring_.next_timeout(), exchange_.next_timeout(), control_.next_timeout(now), doubt});
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

PeerStatus Session::status(Time now) const {
  PeerStatus status{.name = configured_.name,
                    .public_key = configured_.public_key,
                    .up = is_up_,
                    .has_keys = has_keys_,
                    .tx_packets = tx_packets_,
                    .tx_bytes = tx_bytes_,
                    .rx_packets = rx_packets_,
                    .rx_bytes = rx_bytes_};
  if (const Epoch* epoch = keyring_.current()) {
    status.cipher = epoch->send.key().cipher();
    status.handshake_age = now - epoch->created;
  }
  for (const auto& path : control_.paths()) status.paths.push_back(path_status(*path));
  return status;
}

PathStatus Session::path_status(const Path& path) const {
  const PathAddress& address = path.address();
  const Path::Counters& counters = path.counters();
  PathStatus status{
      .name = control_.path_name(path),
      .id = path.id(),
      .wan = address.socket,
      .local = address.local,
      .remote = address.remote,
      .state = path.state(),
      .bfd_state = path.bfd().state(),
      .selected = control_.selected() == &path,
      .learned = path.origin() == PathOrigin::Learned,
      .rtt = path.rtt().srtt(),
      .rtt_min = path.rtt().floor(),
      .jitter = path.received().jitter(),
      .delay_relative = control_.relative_delay(path),
      .loss_ppm = path.sent().loss_ppm(),
      .rate = path.sent().rate(),
      .mtu_bytes = static_cast<std::uint16_t>(path.payload_bytes_max() + path.mtu().header_bytes()),
      .tx_packets = counters.tx_packets,
      .tx_bytes = counters.tx_bytes,
      .rx_packets = counters.rx_packets,
      .rx_bytes = counters.rx_bytes,
      .downs = counters.downs,
      .last_down_cause = counters.last_down_cause};
  if (status.bfd_state == BfdState::Up) status.detection_time = path.bfd().detection_time();
  return status;
}

}  // namespace wanbond
