#include "tests/sim/host.h"

#include <algorithm>
#include <utility>

#include "tun/offload.h"

namespace wanbond::sim {
namespace {

constexpr unsigned kNobody = ~0U;  // the receiver of a datagram to an address without an owner

}  // namespace

Host::Host(const Place& place, HostPlan plan)
    : place_(place),
      plan_(std::move(plan)),
      clock_(plan_.clock_offset, plan_.drift_ppm),
      pool_(kPoolBytes),
      send_errors_(plan_.wans.size(), 0),
      told_(plan_.wans.size()) {
  // Every second host computes with the fastest library there is: they must understand each other.
  if (place_.number % 2 != 0) plan_.node.aead = choose_aead(std::nullopt).value();
  for (std::size_t i = 0; i < plan_.wans.size(); ++i) {
    const SocketId socket{static_cast<std::uint16_t>(i)};
    wans_.push_back(std::make_unique<Wan>(
        Wan::Place{place_.world, place_.internet, place_.number}, plan_.wans[i],
        [this, socket](Datagram&& datagram) { on_arrival(socket, std::move(datagram)); }));
    wans_.back()->set_watch([this](const Datagram& datagram, Time cut_at) {
      place_.checker.on_outage_use(datagram, cut_at);
    });
  }
  lan_.connect([this](ByteString&& packet) { on_lan_packet(std::move(packet)); });
}

void Host::start() {
  check(node_ == nullptr);
  random_ = std::make_unique<SeededRandom>(place_.world.random().next());
  place_.checker.on_start(place_.number);
  node_ = std::make_unique<Node>(plan_.node, pool_, *random_);
  frozen_until_ = {};
  armed_ = kNever;
  for (std::size_t i = 0; i < told_.size(); ++i)
    if (told_[i]) tell_wan(i, *told_[i]);
  arm();
}

void Host::terminate() {
  if (!is_running()) return;
  node_->close(local_now(), *outbox_);
  drain();
  kill();
}

void Host::order_wan(std::size_t wan, PathOrder order) {
  node_->order_wan(local_now(), SocketId{static_cast<std::uint16_t>(wan)}, order, *outbox_);
  drain();
  arm();
}

void Host::kill() {
  if (!is_running()) return;
  place_.checker.on_end(place_.number, node_->status(local_now()));
  node_.reset();
  outbox_->clear();
  sockets_.clear();
  tun_.clear();
  if (pool_.used_count() != 0) place_.checker.fail(name(), "buffers are lost from the pool");
}

void Host::freeze(Duration duration) {
  frozen_until_ = place_.world.now() + duration;
  place_.world.at(frozen_until_, [this] { wake(); });
}

void Host::tell_wan(std::size_t wan, const WanState& state) {
  told_[wan] = state;
  if (place_.world.now() < frozen_until_) {
    place_.world.at(frozen_until_, [this, wan] { tell_wan(wan, *told_[wan]); });
    return;
  }
  if (!is_running()) return;
  node_->on_wan(local_now(), SocketId{static_cast<std::uint16_t>(wan)}, state, *outbox_);
  drain();
  arm();
}

void Host::tell_endpoint(std::size_t index, const Endpoint& endpoint) {
  node_->on_endpoint(local_now(), PeerId{0}, index, endpoint, *outbox_);
  drain();
  arm();
}

NodeStatus Host::status() const {
  check(is_running());
  return node_->status(local_now());
}

void Host::on_arrival(SocketId socket, Datagram&& datagram) {
  if (!is_running() || sockets_.size() >= kSocketQueueMax) return;
  sockets_.push_back({socket, std::move(datagram), local_now()});
  wake();
}

void Host::on_lan_packet(ByteString&& packet) {
  if (!is_running() || tun_.size() >= kTunQueueMax) return;
  tun_.push_back(std::move(packet));
  wake();
}

// Everything that arrives at one moment makes one batch.
void Host::wake() {
  if (woken_) return;
  woken_ = true;
  place_.world.at(place_.world.now(), [this] {
    woken_ = false;
    serve();
  });
}

// The driver's order: sockets until they are empty, the LAN, and only then the timer.
void Host::serve() {
  if (!is_running() || place_.world.now() < frozen_until_) return;
  while (!sockets_.empty()) read_sockets();
  read_tun();
  if (node_->next_timeout() <= local_now()) call_timer();
  arm();
}

void Host::read_sockets() {
  std::vector<ByteString> memory;  // valid until the batch's writes are done
  for (std::size_t taken = 0; taken < kBatchMax && !sockets_.empty();) taken += give_train(memory);
  node_->on_batch_end(local_now(), *outbox_);
  drain();
}

// What UDP_GRO would put together: neighbours of one sender and socket that came at one moment,
// with equal size, the last may be shorter.
std::size_t Host::give_train(std::vector<ByteString>& memory) {
  constexpr std::size_t kTrainBytesMax = 65000;
  Arrival first = std::move(sockets_.front());
  sockets_.pop_front();
  place_.checker.on_datagram_in(place_.number, first.datagram);
  ByteString bytes = std::move(first.datagram.bytes);
  const std::size_t segment_bytes = bytes.size();
  std::size_t count = 1;
  bool last_full = segment_bytes > 0;
  while (last_full && count < kBatchMax && !sockets_.empty()) {
    const Arrival& next = sockets_.front();
    const std::size_t size = next.datagram.bytes.size();
    if (next.socket != first.socket || next.datagram.from != first.datagram.from ||
        next.datagram.tos != first.datagram.tos || next.at != first.at || size == 0 ||
        size > segment_bytes || bytes.size() + size > kTrainBytesMax)
      break;
    place_.checker.on_datagram_in(place_.number, next.datagram);
    bytes.insert(bytes.end(), next.datagram.bytes.begin(), next.datagram.bytes.end());
    last_full = size == segment_bytes;
    sockets_.pop_front();
    ++count;
  }
  memory.push_back(std::move(bytes));
  const Received received{.socket = first.socket,
                          .remote = first.datagram.from,
                          .local = wans_[first.socket.value]->local().address,
                          .at = first.at,
                          .tos = first.datagram.tos,
                          .segment_bytes = static_cast<std::uint32_t>(segment_bytes),
                          .bytes = memory.back()};
  node_->on_datagrams(local_now(), received, *outbox_);
  drain();
  return count;
}

void Host::read_tun() {
  while (!tun_.empty()) {
    const ByteString inner = std::move(tun_.front());
    tun_.pop_front();
    Packet packet = pool_.acquire(kVirtioHeaderBytes + inner.size());
    if (!packet.valid()) {
      place_.checker.fail(name(), "the pool is empty");
      return;
    }
    packet.resize(kVirtioHeaderBytes + inner.size());
    ByteWriter writer(packet.bytes());
    writer.zeros(kVirtioHeaderBytes);
    writer.put(inner);
    place_.checker.on_lan_in(place_.number, inner);
    node_->on_tun(local_now(), std::move(packet), *outbox_);
    drain();
  }
  node_->on_batch_end(local_now(), *outbox_);
  drain();
}

void Host::call_timer() {
  place_.checker.on_timer_call(place_.number);
  node_->on_timer(local_now(), clock_.wall(place_.world.now()), *outbox_);
  drain();
}

// A timeout that lies in the past runs at once, but as an action of its own: the checker counts
// a node that never gets ahead of its timer.
void Host::arm() {
  const Time next = std::max(clock_.world(node_->next_timeout()), place_.world.now());
  if (next >= armed_) return;
  armed_ = next;
  place_.world.at(next, [this, next] {
    if (armed_ != next) return;  // an earlier one has taken over
    armed_ = kNever;
    serve();
  });
}

void Host::drain() {
  for (Transmit& train : outbox_->trains()) send_train(train);
  for (const TunWrite& write : outbox_->tun_writes()) write_tun(write);
  for (const Event& event : outbox_->events()) {
    events_.push_back({place_.world.now(), event});
    place_.world.trace(static_cast<std::uint64_t>(event.kind) << 32 |
                       static_cast<std::uint64_t>(event.cause) << 24 |
                       static_cast<std::uint64_t>(event.path.value) << 16 |
                       static_cast<std::uint64_t>(event.to));
    if (place_.world.has_reader()) note_event(event);
    place_.checker.on_event(place_.number, event);
  }
  if (outbox_->lost_events() != 0) place_.checker.fail(name(), "events were lost");
  outbox_->clear();
  place_.checker.on_buffers(place_.number, pool_.used_count());
  const std::vector<Transmit> refused = std::exchange(refused_, {});
  for (const Transmit& train : refused) {
    node_->on_send_failed(local_now(), train.socket, train.remote, send_errors_[train.socket.value],
                          *outbox_);
    drain();
  }
}

void Host::send_train(Transmit& train) {
  const bool refused = send_errors_[train.socket.value] != 0;
  if (refused) refused_.push_back({train.socket, train.remote, train.local, train.tos, {}});
  const Bytes all = train.segments.buffer.bytes();
  const std::size_t step = train.segments.segment_bytes;
  Wan& wan = *wans_[train.socket.value];
  for (std::size_t at = 0; step > 0 && at < all.size(); at += step) {
    const Bytes part = all.subspan(at, std::min(step, all.size() - at));
    Datagram datagram{wan.local(), train.remote, train.tos, {part.begin(), part.end()}};
    note_sent(datagram);
    if (!refused) wan.send(std::move(datagram));
  }
}

void Host::note_sent(const Datagram& datagram) {
  const unsigned to = place_.internet.host_of(datagram.to.address).value_or(kNobody);
  place_.checker.on_datagram_out(place_.number, to, datagram);
  place_.world.trace(Bytes(datagram.bytes));
  if (place_.world.has_reader()) note_datagram(datagram);
}

void Host::note_datagram(const Datagram& datagram) const {
  std::string head;
  for (std::size_t i = 0; i < std::min<std::size_t>(8, datagram.bytes.size()); ++i)
    head += "0123456789abcdef"[std::to_integer<unsigned>(datagram.bytes[i] >> 4)],
        head += "0123456789abcdef"[std::to_integer<unsigned>(datagram.bytes[i] & std::byte{15})];
  place_.world.note(name() + " sends " + head + " (" + std::to_string(datagram.bytes.size()) +
                    ") " + datagram.from.to_string() + " > " + datagram.to.to_string());
}

void Host::note_event(const Event& event) const {
  static constexpr std::array kKinds{"PeerUp",    "PeerDown",     "KeysChanged",
                                     "PathAdded", "PathState",    "PathMoved",
                                     "PathSize",  "PathSelected", "PathRemoved"};
  std::string line = name() + " reports " + kKinds[static_cast<std::size_t>(event.kind)] +
                     " peer " + std::to_string(event.peer.value) + " path " +
                     std::to_string(event.path.value);
  if (event.kind == EventKind::PathState)
    line += " " + std::string(to_string(event.from)) + " > " + std::string(to_string(event.to));
  place_.world.note(line + " (" + std::string(to_string(event.cause)) + ")");
}

void Host::write_tun(const TunWrite& write) {
  ByteString whole;
  for (const Bytes part : outbox_->parts(write))
    whole.insert(whole.end(), part.begin(), part.end());
  const auto super = SuperPacket::parse(whole);
  if (!super) return place_.checker.fail(name(), "wrote something to the TUN that is no packet");
  for (std::uint32_t i = 0; i < super->segment_count(); ++i) {
    ByteString packet(super->segment_bytes(i));
    (void)super->write_segment(i, Checksum::Full, packet);
    if (!parse_too_big(packet)) place_.checker.on_lan_out(place_.number, packet);  // its own word
    place_.world.trace(Bytes(packet));
    if (!lan_.deliver(packet)) place_.checker.fail(name(), "a packet came out with a bad checksum");
  }
}

}  // namespace wanbond::sim
