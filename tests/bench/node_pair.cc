#include "node_pair.h"

#include <cstring>

namespace wanbond {
namespace {

constexpr std::uint16_t kPort = 51900;
constexpr std::size_t kPoolBytes = 8 << 20;
// A batch stands for that much time: 64 KB at 10 Gbit/s.
constexpr Duration kBatchTime = 50us;
constexpr WallTime kWall{1'700'000'000'000'000'000};

Endpoint wan_of(unsigned number) { return {IpAddress::v4(0xc6120000 + number), kPort}; }

// Settings of the end `own` (1 or 2), whose peer is `other`.
NodeSettings settings_of(unsigned own, unsigned other, CipherPolicy policy, AeadLibrary library) {
  sim::SeededRandom own_keys(own), other_keys(other);
  PeerSettings peer;
  peer.name = "other";
  peer.public_key = KeyPair::generate(other_keys).public_key;
  peer.allowed_ips = {Prefix(IpAddress::v4(0x0a000000 + other), 32)};
  peer.cipher = policy;
  peer.endpoints = {wan_of(other)};
  peer.paths = {{SocketId{0}, 0}};
  NodeSettings settings;
  settings.keys = KeyPair::generate(own_keys);
  settings.wans.push_back({.name = "wan"});
  settings.peers.push_back(std::move(peer));
  settings.tun_udp = UdpOffload::On;
  settings.aead = library;
  return settings;
}

}  // namespace

NodePair::End::End(const NodeSettings& settings, std::uint64_t seed)
    : random(seed), pool(kPoolBytes), node(settings, pool, random) {
  sent.reserve(Outbox::kTrainsMax);
}

NodePair::NodePair(CipherPolicy policy, AeadLibrary library)
    : a_(settings_of(1, 2, policy, library), 11), b_(settings_of(2, 1, policy, library), 12) {}

bool NodePair::is_up(const End& end, Time now) {
  const NodeStatus status = end.node.status(now);
  return status.peers[0].up && status.peers[0].has_keys;
}

void NodePair::bring_up() {
  for (int i = 0; i < 10'000 && !(is_up(a_, now_) && is_up(b_, now_)); ++i) tick(1ms);
  check(is_up(a_, now_) && is_up(b_, now_));
  for (int i = 0; i < 1000; ++i) tick(1ms);  // BFD reaches its pace
}

// A turn without traffic.
void NodePair::tick(Duration step) {
  now_ += step;
  deliver(b_, a_);
  deliver(a_, b_);
  call_timer(a_);
  call_timer(b_);
}

void NodePair::call_timer(End& end) {
  if (end.node.next_timeout() > now_) return;
  end.node.on_timer(now_, kWall, end.out);
  take_trains(end);
}

// As the driver's flush, after every call of the node.
void NodePair::take_trains(End& from) {
  for (Transmit& train : from.out.trains()) from.sent.push_back(std::move(train));
  writes_ += from.out.tun_writes().size();
  for (const TunWrite& write : from.out.tun_writes())
    for (const Bytes part : from.out.parts(write)) written_bytes_ += part.size();
  from.out.clear();
}

// The trains of `from` are opened in its own buffers, which go back to its pool afterwards.
void NodePair::deliver(End& from, End& to) {
  const Endpoint sender = wan_of(&from == &a_ ? 1 : 2);
  const Endpoint receiver = wan_of(&from == &a_ ? 2 : 1);
  for (Transmit& train : from.sent) {
    to.node.on_datagrams(now_,
                         {.socket = SocketId{0},
                          .remote = sender,
                          .local = receiver.address,
                          .at = now_,
                          .tos = train.tos,
                          .segment_bytes = train.segments.segment_bytes,
                          .bytes = train.segments.buffer.bytes()},
                         to.out);
    take_trains(to);
  }
  to.node.on_batch_end(now_, to.out);
  take_trains(to);
  from.sent.clear();
}

std::uint64_t NodePair::carry(std::span<const Bytes> reads) {
  const std::uint64_t before = written_bytes_;
  now_ += kBatchTime;
  deliver(b_, a_);  // what B had to say since
  for (const Bytes read : reads) {
    Packet packet = a_.pool.acquire(read.size());
    check(packet.valid());
    packet.resize(read.size());
    std::memcpy(packet.bytes().data(), read.data(), read.size());
    a_.node.on_tun(now_, std::move(packet), a_.out);
    take_trains(a_);
  }
  a_.node.on_batch_end(now_, a_.out);
  take_trains(a_);
  call_timer(a_);
  trains_ += a_.sent.size();
  deliver(a_, b_);
  call_timer(b_);
  return written_bytes_ - before;
}

}  // namespace wanbond
