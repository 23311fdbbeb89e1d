// Flows that a rule takes out of what is done for all: duplicated, pinned, dropped.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <map>

#include "base/too_big.h"
#include "tests/sim/sites.h"
#include "tests/sim/tcp_receiver.h"
#include "tests/sim/tcp_sender.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

constexpr SocketId kLte{1};
constexpr Duration kVoice = 20ms;  // between packets

/// Bytes that the branch has sent over a WAN's path.
std::uint64_t sent_over(const Host& host, std::size_t wan) {
  std::uint64_t bytes = 0;
  for (const NodeStatus status = host.status(); const PathStatus& path : status.peers.at(0).paths)
    if (path.wan.value == wan) bytes += path.tx_bytes;
  return bytes;
}

/// A datagram of 3000 bytes in three fragments.
void send_fragmented(Lan& lan, const Conversation& who, std::uint16_t id) {
  ByteString whole = make_udp(who, ByteString(2972, std::byte{1}));
  ByteWriter header(MutableBytes(whole).subspan(4));
  header.u16_be(id);
  header.u16_be(0);  // it may be cut
  const auto inner = parse_inner(whole);
  constexpr std::size_t kMtu = 1420;
  for (std::size_t i = 0; i < fragment_count(*inner, kMtu); ++i) {
    ByteString part(kMtu);
    part.resize(write_fragment(whole, *inner, kMtu, i, part));
    lan.send(std::move(part));
  }
}

/// "Port unreachable", from the receiver of a datagram of `cause` to its sender.
void send_unreachable(Lan& lan, const Conversation& cause) {
  const ByteString datagram = make_udp(cause, ByteString(500, std::byte{1}));
  ByteString error(kTooBigBytesMax);
  error.resize(write_too_big(datagram, *parse_inner(datagram), 0, error));
  const MutableBytes icmp = MutableBytes(error).subspan(kIpv4HeaderBytes);
  icmp[1] = std::byte{3};
  adjust_checksum(icmp, 2, {.at = 1, .from = 4, .to = 3});
  lan.send(std::move(error));
}

/// Many short flows: a SYN and a question to a name server each, from ports of their own.
struct Openings {
  explicit Openings(Sites& s) : sites(s) {
    sites.hub.lan().listen(kProtocolTcp, kTcpPort, [this](const ParsedPacket& p) { note(p); });
    sites.hub.lan().listen(kProtocolUdp, kDnsPort, [this](const ParsedPacket& p) { note(p); });
  }
  void run(unsigned count, Duration interval) {
    for (unsigned i = 0; i < count; ++i) {
      Conversation who = talk(kBranch, kHub);
      who.from.port = ++port;
      sent[port] = sites.scene.world().now();
      who.to.port = kTcpPort;
      sites.branch.lan().send(make_tcp(who, {.flags = kTcpSyn, .mss_bytes = 1360}, {}));
      who.to.port = kDnsPort;
      sites.branch.lan().send(make_udp(who, ByteString(40, std::byte{1})));
      sites.scene.world().run_for(interval);
    }
  }
  void note(const ParsedPacket& packet) {
    ++received;
    delay_max = std::max(delay_max, sites.scene.world().now() - sent[packet.from.port]);
  }
  std::size_t missing() const { return 2 * sent.size() - received; }

  static constexpr std::uint16_t kTcpPort = 80, kDnsPort = 53;
  Sites& sites;
  std::map<std::uint16_t, Time> sent;
  std::uint16_t port = 20000;
  std::size_t received = 0;
  Duration delay_max{};
};

CopyCounters copies_of(const Host& host) { return host.status().peers.at(0).spare_copies; }

}  // namespace

TEST_SUITE("sim_policy") {
  //        /--- 20 ms, 5 % loss --X--X   cut twice
  // branch ---- 40 ms --------------- hub
  TEST_CASE("duplicate loses nothing and delivers nothing twice while a WAN is bad and cut") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms, .link = {.loss_ppm = 50'000}}, {.rtt = 40ms}},
                          .rules = {{.name = "voip", .mode = RuleMode::Duplicate, .wans = {}}}});
      REQUIRE(sites.bring_up());
      UdpPair voice(sites.scene, kVoice);
      voice.start();
      for (int cut = 0; cut < 2; ++cut) {
        world.run_for(2s);
        sites.branch.wan(0).cut();
        world.run_for(1s);
        sites.branch.wan(0).restore();
      }
      world.run_for(2s);
      voice.stop();
      world.run_for(1s);
      CHECK(voice.missing() == 0);
      CHECK(voice.gap_max() <= kVoice + 25ms);
    });
  }

  //        /--- 20 ms ---
  // branch ---- 40 ms --X--   the listed one
  TEST_CASE("pinned leaves its slower WAN only while that is down") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}},
                          .rules = {{.name = "p", .mode = RuleMode::Pinned, .wans = {kLte}}}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(1s);
      const auto carries = [&](std::size_t wan) {
        const std::uint64_t before = sent_over(sites.branch, wan);
        world.run_for(1s);
        return sent_over(sites.branch, wan) - before > 150'000;
      };
      CHECK(carries(1));
      CHECK_FALSE(carries(0));
      flows.reset_gaps();
      sites.branch.wan(1).cut();
      CHECK(carries(0));
      CHECK(flows.gap_max() <= 150ms);
      sites.branch.wan(1).restore();
      world.run_for(2s);
      CHECK(carries(1));
      CHECK_FALSE(carries(0));
    });
  }

  //        /--- 20 ms, 2 Mbit/s ---
  // branch ---- 40 ms, metered ---- hub   reports go over both: 120 kbit/s
  TEST_CASE(
      "overflow takes a metered WAN for what the first has no room for, and only for so long") {
    twice([](World& world) {
      Sites sites(
          world,
          {.accesses = {{.rtt = 20ms, .link = {.rate = {2'000'000}, .queue_bytes_max = 25'000}},
                        {.rtt = 40ms, .metered = true}},
           .rules = {
               {.name = "o", .mode = RuleMode::Overflow, .wans = {}, .repair = RuleRepair::Yes}}});
      REQUIRE(sites.bring_up());
      UdpPair most(sites.scene, 7ms, 1);   // 1.2 Mbit/s each way
      UdpPair more(sites.scene, 11ms, 2);  // 0.8
      const auto kbit_over = [&](std::size_t wan, Duration time) {
        const std::uint64_t before = sent_over(sites.branch, wan);
        world.run_for(time);
        return (sent_over(sites.branch, wan) - before) * 8 / static_cast<std::uint64_t>(time / 1ms);
      };
      const auto why = [&](std::size_t wan) {
        const NodeStatus status = sites.branch.status();
        const auto& paths = status.peers.at(0).paths;
        return std::find_if(paths.begin(), paths.end(),
                            [&](const PathStatus& path) { return path.wan.value == wan; })
            ->use.why;
      };
      CHECK(why(0) == PathUse::Why::Used);
      CHECK(why(1) == PathUse::Why::Metered);
      most.start();
      CHECK(kbit_over(1, 3s) < 200);
      more.start();
      world.run_for(5s);
      CHECK(kbit_over(1, 4s) > 700);
      CHECK(kbit_over(0, 4s) > 1000);
      most.stop();
      world.run_for(9s);
      CHECK(kbit_over(1, 4s) < 200);
      CHECK(kbit_over(0, 4s) > 700);
    });
  }

  //        /--- 20 ms ---
  // branch ---- 40 ms ---  port 7001 of either end
  TEST_CASE("later fragments and ICMP errors meet the rule of their flow, by its port") {
    twice([](World& world) {
      const RuleMatch port{.source_ports = {{7001, 7001}}};
      Sites sites(
          world,
          {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}},
           .rules = {{.name = "p", .match = port, .mode = RuleMode::Pinned, .wans = {kLte}}}});
      REQUIRE(sites.bring_up());
      Conversation there = talk(kBranch, kHub);
      there.from.port = 7001;
      Conversation back = there.reversed();
      const auto sent_by = [&](const std::function<void(std::uint16_t)>& send) {
        const std::array<std::uint64_t, 2> before{sent_over(sites.branch, 0),
                                                  sent_over(sites.branch, 1)};
        for (std::uint16_t i = 0; i < 100; ++i) {
          send(i);
          world.run_for(5ms);
        }
        return std::array<std::uint64_t, 2>{sent_over(sites.branch, 0) - before[0],
                                            sent_over(sites.branch, 1) - before[1]};
      };
      const auto idle = sent_by([](std::uint16_t) {});
      const auto cut =
          sent_by([&](std::uint16_t i) { send_fragmented(sites.branch.lan(), there, i); });
      CHECK(cut[0] < idle[0] + 20'000);
      CHECK(cut[1] > 300'000);
      const auto errors =
          sent_by([&](std::uint16_t) { send_unreachable(sites.branch.lan(), back); });
      CHECK(errors[0] < idle[0] + 20'000);
      CHECK(errors[1] > 50'000);
      CHECK(sites.branch.status().rules.at(0).total.packets == 400);
    });
  }

  //        /--- 20 ms, 20 Mbit/s ---
  // branch ---- 100 ms, 10 Mbit/s -- hub
  TEST_CASE("a smooth flow sees the round trip of the slower path from its first packet on") {
    const auto run = [](World& world, RuleMode mode) {
      Sites sites(world, {.accesses = {{.rtt = 20ms, .link = {.rate = {20'000'000}}},
                                       {.rtt = 100ms, .link = {.rate = {10'000'000}}}},
                          .rules = {{.name = "r", .mode = mode, .wans = {}}}});
      REQUIRE(sites.bring_up());
      world.run_for(2s);
      const Conversation who = talk(kBranch, kHub, 1);
      TcpReceiver receiver(world, sites.hub.lan(), who.reversed(), 1360);
      TcpSender sender(world, sites.branch.lan(), {.who = who, .bytes = 60'000});
      const Time start = world.now();
      sender.start();
      world.run_for(2s);
      CHECK(sender.is_done());
      CHECK(sender.report().timeouts == 0);
      CHECK(sender.report().retransmits == 0);
      CHECK(receiver.report().damaged == 0);
      return std::pair(sender.report().srtt, sender.report().finished - start);
    };
    twice([&](World& world) {
      const auto [round_trip, time] = run(world, RuleMode::Smooth);
      CHECK(round_trip >= 100ms);
      CHECK(round_trip <= 170ms);
    });
    twice([&](World& world) {
      const auto [round_trip, time] = run(world, RuleMode::Aggregate);
      CHECK(round_trip <= 60ms);
      CHECK(time <= 150ms);
    });
  }

  //        /--- 20 ms --X   cut, and back
  // branch ---- 60 ms --- hub
  TEST_CASE("handoff takes a stream without gaps back to its WAN without one packet out of order") {
    twice([](World& world) {
      Sites sites(
          world,
          {.accesses = {{.rtt = 20ms}, {.rtt = 60ms}},
           .rules = {{.name = "h", .mode = RuleMode::Handoff, .wans = {SocketId{0}, kLte}}}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 500us);
      flows.start();
      world.run_for(1s);
      sites.branch.wan(0).cut();
      world.run_for(1s);
      const auto late = [&] { return flows.up.report().late + flows.down.report().late; };
      const std::uint64_t at_failure = late();
      const std::uint64_t missing = flows.missing();
      flows.reset_gaps();
      const std::uint64_t before = sent_over(sites.branch, 1);
      sites.branch.wan(0).restore();
      world.run_for(3s);
      const std::uint64_t there = sent_over(sites.branch, 1) - before;
      CHECK(there < 3'000'000);  // of 6 MB
      CHECK(late() == at_failure);
      CHECK(to_ms(flows.gap_max()) <= 1);
      flows.stop();
      world.run_for(1s);
      CHECK(flows.missing() <= missing);
    });
  }

  //        /--- 20 ms, 5 % loss --X   cut in silence
  // branch ---- 40 ms ------------ hub
  TEST_CASE("SYNs and questions to DNS are not lost, and wait for no repair, without any rule") {
    twice([](World& world) {
      Sites sites(world,
                  {.accesses = {{.rtt = 20ms, .link = {.loss_ppm = 50'000}}, {.rtt = 40ms}}});
      REQUIRE(sites.bring_up());
      world.run_for(1s);
      Openings openings(sites);
      openings.run(80, 20ms);
      sites.branch.wan(0).cut();
      openings.run(40, 2ms);  // over the time that nobody knows
      world.run_for(1s);
      CHECK(openings.missing() == 0);
      CHECK(openings.delay_max < 25ms);
      CHECK(copies_of(sites.branch).packets > 160);
    });
  }

  TEST_CASE("copies beside bulk take less than 1 % of it, and none go over a metered WAN") {
    for (const bool metered : {false, true}) {
      twice([&](World& world) {
        Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms, .metered = metered}}});
        REQUIRE(sites.bring_up());
        UdpPair bulk(sites.scene, 1ms);
        bulk.start();
        Openings openings(sites);
        openings.run(1000, 300us);  // spends what is saved
        const CopyCounters before = copies_of(sites.branch);
        const auto sent_over_all = [&] {
          return sent_over(sites.branch, 0) + sent_over(sites.branch, 1);
        };
        const std::uint64_t sent = sent_over_all();
        openings.run(10'000, 300us);
        const std::uint64_t copied = copies_of(sites.branch).bytes - before.bytes;
        const std::uint64_t all = sent_over_all() - sent;
        CHECK(copied <= all / 100);
        CHECK((copied > all / 200) == !metered);
        bulk.stop();
        world.run_for(1s);
        CHECK(bulk.missing() == 0);
      });
    }
  }

  //        /--- 20 ms, 8 Mbit/s ---
  // branch ---- 60 ms, 8 Mbit/s -- hub   UDP of 11.5 Mbit/s, then of 2
  TEST_CASE("UDP that fills its path for 4 s gets both, in order, and goes back in order") {
    twice([](World& world) {
      const LinkSettings link{.rate = {8'000'000}, .queue_bytes_max = 40'000};
      Sites sites(world, {.accesses = {{.rtt = 20ms, .link = link}, {.rtt = 60ms, .link = link}}});
      REQUIRE(sites.bring_up());
      world.run_for(1s);
      UdpFlow flow(world, sites.branch.lan(), sites.hub.lan(),
                   {.who = talk(kBranch, kHub, 1), .interval = 720us});
      const auto mbit_for = [&](Duration time) {
        const std::uint64_t before = flow.report().received;
        world.run_for(time);
        const auto bits = static_cast<double>(flow.report().received - before) * 8 * 1028;
        return bits / std::chrono::duration<double, std::micro>(time).count();
      };
      flow.start();
      CHECK(mbit_for(3s) < 8);
      world.run_for(3s);
      CHECK(mbit_for(2s) > 10);
      CHECK(sent_over(sites.branch, 1) > 500'000);
      flow.set_interval(4ms);
      world.run_for(7s);
      const std::uint64_t over_slow = sent_over(sites.branch, 1);
      CHECK(mbit_for(2s) > 1.9);
      CHECK(sent_over(sites.branch, 1) - over_slow < 60'000);
      CHECK(flow.report().late == 0);
      CHECK(flow.report().damaged == 0);
    });
  }

  TEST_CASE("drop lets nothing through, and no other rule's flow suffers") {
    twice([](World& world) {
      const FlowRule drop{
          .name = "no", .match = {.protocols = {kProtocolTcp}}, .mode = RuleMode::Drop, .wans = {}};
      Sites sites(world, {.accesses = {{.rtt = 20ms}}, .rules = {drop}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(1s);
      flows.stop();
      world.run_for(1s);
      CHECK(flows.missing() == 0);
      CHECK(sites.branch.status().rules.at(0).total.packets == 0);
    });
  }
}
