// The seam of lanes (HACKING.md, "One thread, and where it would be divided"): two egress halves,
// each with a path id and a queue of its own, before one receiving half. The program has one lane;
// this shows that a second one keeps the order of a flow.
#include <doctest/doctest.h>

#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "core/egress.h"
#include "core/flow_digest.h"
#include "core/ingress.h"
#include "proto/wire.h"
#include "sched/flow.h"
#include "sched/resequencer.h"
#include "tests/sim/seeded_random.h"
#include "tests/unit/inner_packets.h"

using namespace wanbond;

namespace {

const Time kNow{5s};
constexpr std::size_t kPayloadMax = 1472;
constexpr std::uint16_t kFirstPort = 40'000;
constexpr std::size_t kFlows = 8;

/// One lane of the sender: its path, its train, and the queue that its socket is.
struct Lane {
  Lane(std::uint8_t id, Random& random, Egress&& own)
      : path(kNow,
             {PathId{id},
              {SocketId{id}, *Endpoint::parse("198.51.100.1:51900"), {}},
              PathOrigin::Configured},
             wan, random),
        egress(std::move(own)) {}
  void end_batch() {
    egress.flush(out);
    for (Transmit& train : out.trains()) queue.push_back(std::move(train));
    out.clear();
  }
  WanSettings wan{.name = "w"};
  Path path;
  Egress egress;
  Outbox out;
  std::deque<Transmit> queue;
};

struct Bench {
  explicit Bench(std::uint64_t seed) : random(seed) {
    const Key32 there = Key32::generate(random);
    const Key32 back = Key32::generate(random);
    (void)near.install_initiator(kNow, {Cipher::ChaCha20Poly1305, there, back}, {64, 128});
    epoch = far.install_responder(kNow, {Cipher::ChaCha20Poly1305, back, there}, {128, 64});
    for (std::uint8_t id = 0; id < 2; ++id)
      lanes[id] = std::make_unique<Lane>(id, random, Egress(near, pool, drops, retained));
  }

  /// The next packet of a TCP flow, or of a UDP flow, enters a lane.
  void send(std::size_t flow, std::uint8_t protocol, Lane& lane) {
    test::Buffer read(kVirtioHeaderBytes);
    const auto packet =
        test::make_packet({.protocol = protocol,
                           .payload_bytes = 100 + random.below(3) * 100,
                           .id = static_cast<std::uint16_t>(sent[flow]++),
                           .source_port = static_cast<std::uint16_t>(kFirstPort + flow)},
                          Checksum::Full);
    read.insert(read.end(), packet.begin(), packet.end());
    const auto super = SuperPacket::parse(read);
    REQUIRE(super);
    Marking marking;
    if (protocol == kProtocolTcp) {
      Flow* state = flows.use(kNow, digest(super->inner()), FlowKind::Tcp);
      REQUIRE(state != nullptr);
      marking = {state->stream(FlowTrack::Data), state->next(FlowTrack::Data), kDataOrdered};
      if (state->is_new(FlowTrack::Data)) marking.flags |= kDataFirst;
      state->advance(FlowTrack::Data, 1);
    }
    REQUIRE(lane.egress.send(kNow, *super, {lane.path, kPayloadMax}, marking, lane.out).segments ==
            1);
  }

  /// The first packet of every flow, as a SYN, comes before all others.
  void begin_flows() {
    for (std::size_t flow = 0; flow < kFlows; ++flow) {
      send(flow, kProtocolTcp, *lanes[0]);
      lanes[0]->end_batch();
    }
    drain();
    for (std::uint16_t stream = 1; stream <= FlowTable::kStreamsMax; ++stream)
      flows.on_acknowledged(stream);
  }

  /// What the TUN of the other side gets.
  void note(Bytes inner) {
    const std::size_t flow = test::be16(inner, 20) - kFirstPort;
    REQUIRE(flow < kFlows);
    in_order = in_order && test::be16(inner, 4) == came[flow];
    ++came[flow];
  }
  void receive(Transmit train) {
    MutableBytes rest = train.segments.buffer.bytes();
    while (!rest.empty()) {
      const auto datagram = rest.first(std::min<std::size_t>(train.segments.segment_bytes,  //
                                                             rest.size()));
      rest = rest.subspan(datagram.size());
      WireError error{};
      const auto header = parse_header(datagram, error);
      REQUIRE(header);
      auto opened = ingress.open(kNow, epoch, *header, datagram);
      REQUIRE(opened);
      const auto& inner = std::get<InnerArrival>(opened->content);
      const auto verdict =
          resequencer.push(kNow, {inner.stream, inner.sequence, inner.flags, 0, inner.room});
      if (verdict == Resequencer::Verdict::Held) ++held;
      if (verdict == Resequencer::Verdict::Pass) note(inner.room.subspan(kVirtioHeaderBytes));
      while (auto released = resequencer.take_released())
        note(Bytes(released->packet.bytes()).subspan(kVirtioHeaderBytes));
    }
  }
  /// The receiver takes the trains of both queues, each in its order, in any order between them.
  void drain() {
    while (!lanes[0]->queue.empty() || !lanes[1]->queue.empty()) {
      auto& queue = lanes[random.below(2)]->queue;
      if (queue.empty()) continue;
      receive(std::move(queue.front()));
      queue.pop_front();
    }
  }

  sim::SeededRandom random;
  PacketPool pool{16 << 20};
  Keyring near{random, {}}, far{random, {}};
  EpochId epoch;
  DropCounters drops;
  RetainedPackets retained;
  FlowTable flows;
  FlowDigest digest{random};
  std::array<std::unique_ptr<Lane>, 2> lanes;
  Ingress ingress{far, drops};
  Resequencer resequencer{pool};
  std::array<std::uint16_t, kFlows> sent{}, came{};
  bool in_order = true;
  std::size_t held = 0;
};

}  // namespace

TEST_SUITE("lanes") {
  TEST_CASE("a flow that stays on its lane comes out in order, and nothing waits") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      const auto bench = std::make_unique<Bench>(seed);
      for (int batch = 0; batch < 20; ++batch) {
        for (int i = 0; i < 60; ++i) {
          const std::size_t flow = bench->random.below(kFlows);
          bench->send(flow, flow % 3 == 0 ? kProtocolUdp : kProtocolTcp, *bench->lanes[flow % 2]);
        }
        for (const auto& lane : bench->lanes) lane->end_batch();
        if (batch % 4 == 3) bench->drain();
      }
      CHECK(bench->in_order);
      CHECK(bench->came == bench->sent);
      CHECK(bench->held == 0);
    }
  }

  TEST_CASE("a TCP flow that has begun and changes its lane at any time comes out in order") {
    std::size_t held = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      const auto bench = std::make_unique<Bench>(seed);
      bench->begin_flows();
      for (int batch = 0; batch < 20; ++batch) {
        for (int i = 0; i < 60; ++i)
          bench->send(bench->random.below(kFlows), kProtocolTcp,
                      *bench->lanes[bench->random.below(2)]);
        for (const auto& lane : bench->lanes) lane->end_batch();
        if (batch % 4 == 3) bench->drain();
      }
      CHECK(bench->in_order);
      CHECK(bench->came == bench->sent);
      held += bench->held;
    }
    CHECK(held > 0);  // the queues did overtake each other
  }
}
