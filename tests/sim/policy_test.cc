// Flows that a rule takes out of what is done for all: duplicated, pinned, dropped.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
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
