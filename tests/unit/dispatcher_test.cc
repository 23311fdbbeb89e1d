// Dispatcher (core/dispatcher): one super packet after the other over two real paths, both ends in
// memory, the far one only a Control.
#include "core/dispatcher.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "proto/limits.h"
#include "proto/wire.h"
#include "tests/sim/seeded_random.h"
#include "tests/unit/inner_packets.h"

using namespace wanbond;

namespace {

constexpr std::size_t kPayloadMax = 1472;

Endpoint address(unsigned side, unsigned wan) {
  return {IpAddress::v4(0xc6120000 + 256 * side + wan), 51900};
}

PeerSettings peer_of(unsigned side) {
  PeerSettings peer;
  for (std::uint16_t wan = 0; side == 0 && wan < 2; ++wan) {
    peer.endpoints.push_back(address(1, wan));
    peer.paths.push_back({SocketId{wan}, wan});
  }
  if (side == 1) peer.paths = {{SocketId{0}, std::nullopt}, {SocketId{1}, std::nullopt}};
  return peer;
}

/// One end's paths.
struct End {
  explicit End(unsigned number) : side(number), random(number + 1), peer(peer_of(number)) {}
  unsigned side;
  sim::SeededRandom random;
  PeerSettings peer;
  std::vector<WanSettings> wans{{.name = "fiber"}, {.name = "cable"}};
  std::vector<WanState> states = std::vector<WanState>(2);
  Control control{
      Time{1s},
      {PeerId{0}, side == 0 ? OpenerHalf::First : OpenerHalf::Second, peer, wans, states},
      random};
  std::array<std::uint32_t, 256> numbers{};
  Outbox out;
};

struct Bench {
  Bench() {
    const TrafficKeys keys{Cipher::ChaCha20Poly1305, Key32::generate(random),
                           Key32::generate(random)};
    (void)keyring.install_initiator(now, keys, {64, 128});
    egress.set_peer_bytes_max(kPayloadMax);
    for (End* end : {&near, &far}) end->control.on_keys(now, std::nullopt);
  }

  /// Control frames go over at once, every millisecond.
  void run(Duration time) {
    for (const Time end = now + time; now < end; now += 1ms) {
      carry(near, far);
      carry(far, near);
      for (End* one : {&near, &far}) {
        one->control.on_timer(now, Duration{});
        one->control.settle(now, one->out);
        one->out.clear();
      }
      dispatcher.update(now);
      dispatcher.pump(now, out);
      egress.flush(out);
      out.clear();
    }
  }
  void carry(End& from, End& to) {
    for (const auto& path : from.control.paths())
      while (const auto plan = path->poll_transmit(now)) deliver(*path, *plan, to);
  }
  void deliver(Path& sent_on, const ControlPlan& plan, End& to) {
    sent_on.on_control_sent(100);
    const unsigned wan = sent_on.address().socket.value;
    if (is_cut[wan]) return;
    const Arrival arrival{
        .from = {SocketId{static_cast<std::uint16_t>(wan)}, address(1 - to.side, wan), {}},
        .number = to.numbers[sent_on.id().value]++,
        .bytes = static_cast<std::uint32_t>(std::max<std::size_t>(1200, plan.padded_bytes)),
        .epoch = 0,
        .newest = true,
        .at = now};
    Path* path = to.control.on_arrival(now, sent_on.id(), arrival, to.out);
    if (path == nullptr) return;
    path->on_control_stamp(arrival, wire_stamp(now));
    std::vector<std::byte> bytes(4096);
    ByteWriter writer(bytes);
    for (const Frame& frame : plan.frames) write_frame(writer, frame);
    const auto frames = FrameReader::open(writer.written());
    REQUIRE(frames);
    (void)to.control.on_frames(now, *path, *frames, arrival);
  }

  /// A super packet of `segments` of one flow, as the session sends it; false: refused.
  bool send(unsigned segments, std::uint64_t digest = 1) {
    const auto bytes = test::make_packet(
        {.protocol = kProtocolTcp, .payload_bytes = 1360 * segments}, Checksum::Partial);
    Packet packet = pool.acquire(kVirtioHeaderBytes + bytes.size());
    REQUIRE(packet.valid());
    packet.resize(kVirtioHeaderBytes + bytes.size());
    const auto head = virtio_head(segments);
    std::memcpy(packet.bytes().data(), head.data(), head.size());
    std::memcpy(packet.bytes().data() + kVirtioHeaderBytes, bytes.data(), bytes.size());
    const auto super = SuperPacket::parse(packet.bytes());
    REQUIRE(super);
    REQUIRE(super->segment_count() == segments);
    Flow& flow = *flows.use(now, digest, FlowKind::Tcp);
    const Marking marking{.stream = flow.stream(FlowTrack::Data),
                          .sequence = flow.next(FlowTrack::Data),
                          .flags = kDataOrdered,
                          .kept = retained.next_number()};
    const auto bucket = dispatcher.bucket_of(flow, pinned);
    REQUIRE(bucket);
    const auto sent = dispatcher.pass(now, *bucket, *super, marking, out);
    if (sent) {
      CHECK(sent->segments == segments);
      retained.keep(now, std::move(packet), segments);
      ++passed;
    } else if (!dispatcher.push(now, *bucket, *super, std::move(packet), marking)) {
      return false;
    }
    flow.advance(FlowTrack::Data, segments);
    return true;
  }
  static std::vector<std::byte> virtio_head(unsigned segments) {
    std::vector<std::byte> head(kVirtioHeaderBytes);
    if (segments == 1) return head;
    ByteWriter writer(head);
    writer.u8(1);  // the checksum is partial
    writer.u8(1);  // TCP over IPv4
    writer.u16(40);
    writer.u16(1360);
    writer.u16(20);
    writer.u16(16);
    return head;
  }
  /// Packet numbers used so far, by WAN.
  std::array<std::uint64_t, 2> sent_bytes() const {
    std::array<std::uint64_t, 2> bytes{};
    for (const auto& path : near.control.paths())
      bytes[path->address().socket.value] += path->counters().tx_bytes;
    return bytes;
  }

  Time now{1s};
  sim::SeededRandom random{7};
  End near{0}, far{1};
  std::array<bool, 2> is_cut{};
  PacketPool pool{std::size_t{16} << 20};
  DropCounters drops;
  RetainedPackets retained;
  Keyring keyring{random, {}};
  Egress egress{keyring, pool, drops, retained};
  HeldAcks acks{pool};
  Dispatcher dispatcher{{egress, retained, near.control, acks}};
  FlowTable flows;
  Outbox out;
  unsigned passed = 0;
  const Path* pinned = nullptr;  // that what is sent is pinned to
};

}  // namespace

TEST_SUITE("dispatcher") {
  TEST_CASE("is at work from the moment when there are two paths") {
    Bench bench;
    CHECK_FALSE(bench.dispatcher.is_active());
    bench.run(2s);
    REQUIRE(bench.dispatcher.is_active());
    CHECK(bench.dispatcher.payload_bytes_max() >= 1312);
  }

  TEST_CASE("with one path there is nothing to divide") {
    Bench bench;
    bench.is_cut[1] = true;
    bench.run(2s);
    CHECK_FALSE(bench.dispatcher.is_active());
    CHECK(bench.dispatcher.next_timeout() == kNever);
  }

  TEST_CASE("what comes slowly passes the queue") {
    Bench bench;
    bench.run(2s);
    const auto before = bench.sent_bytes();
    for (int i = 0; i < 50; ++i) {
      CHECK(bench.send(1));
      bench.run(20ms);
    }
    CHECK(bench.passed == 50);
    CHECK(bench.dispatcher.next_timeout() == kNever);
    const auto after = bench.sent_bytes();
    CHECK(after[0] + after[1] - before[0] - before[1] >= 50 * 1400U);
  }

  TEST_CASE("what comes faster than a path takes it waits, and goes over both") {
    Bench bench;
    bench.run(2s);
    const auto before = bench.sent_bytes();
    unsigned taken = 0;
    for (int i = 0; i < 20; ++i) taken += bench.send(40) ? 1 : 0;
    REQUIRE(taken > 2);
    CHECK(bench.dispatcher.next_timeout() < kNever);
    bench.run(3s);
    CHECK(bench.dispatcher.next_timeout() == kNever);  // all gone
    const auto after = bench.sent_bytes();
    CHECK(after[0] - before[0] >= 100'000);
    CHECK(after[1] - before[1] >= 100'000);
  }

  TEST_CASE("what is pinned to a path waits for it, and goes over another one when it fails") {
    Bench bench;
    bench.run(2s);
    for (const auto& path : bench.near.control.paths())
      if (path->address().socket.value == 1) bench.pinned = path.get();
    const auto before = bench.sent_bytes();
    for (int i = 0; i < 4; ++i) CHECK(bench.send(40));
    bench.run(20ms);
    CHECK(bench.dispatcher.next_timeout() < kNever);
    CHECK(bench.sent_bytes()[0] - before[0] < 5'000);
    bench.is_cut[1] = true;
    bench.run(3s);
    CHECK(bench.dispatcher.next_timeout() == kNever);  // all gone
    CHECK(bench.sent_bytes()[0] - before[0] >= 40 * 1360U);
    Flow& flow = *bench.flows.use(bench.now, 1, FlowKind::Tcp);
    CHECK_FALSE(bench.dispatcher.bucket_of(flow, bench.pinned));  // it is not divided over
  }

  TEST_CASE("when one path is left, what waits goes over it, paced for a minute") {
    Bench bench;
    bench.run(2s);
    bench.is_cut[0] = true;
    bench.run(1s);
    const auto before = bench.sent_bytes();
    CHECK(bench.send(40));
    CHECK(bench.passed == 0);
    bench.run(3s);
    CHECK(bench.dispatcher.is_active());
    CHECK(bench.dispatcher.next_timeout() == kNever);
    CHECK(bench.sent_bytes()[1] - before[1] >= 40 * 1360U);
    bench.run(62s);
    CHECK_FALSE(bench.dispatcher.is_active());
  }

  TEST_CASE("a full queue refuses, and numbers nothing") {
    Bench bench;
    bench.run(2s);
    bool refused = false;
    std::uint32_t next = 0;
    for (int i = 0; i < 400 && !refused; ++i) {
      next = bench.retained.next_number();
      refused = !bench.send(40);
    }
    CHECK(refused);
    CHECK(bench.retained.next_number() == next);
  }

  TEST_CASE("trains are short until the peer has reported one") {
    Bench bench;
    bench.run(1s);
    std::size_t probes = 0;
    for (const auto& path : bench.near.control.paths()) probes += path->counters().tx_packets;
    CHECK(probes < 400);
    CHECK(bench.drops.of(DropReason::QueueFull) == 0);
  }
}
