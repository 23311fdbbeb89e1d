// Scenarios of orders by hand: a WAN is drained, put down, kept as a backup, and taken back.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

const SitesPlan kTwo{.accesses = {{.rtt = 20ms}, {.rtt = 60ms}}};

}  // namespace

TEST_SUITE("sim_order") {
  // The paper's proactive handoff: its recovery takes no time at all.
  TEST_CASE("a drained WAN is left without a lost packet, by either side's order") {
    for (const std::size_t who : {kBranch, kHub}) {
      for (const PathOrder order : {PathOrder::Drain, PathOrder::Backup, PathOrder::Down}) {
        twice([&](World& world) {
          Sites sites(world, kTwo);
          REQUIRE(sites.bring_up());
          REQUIRE(sites.runs_on(0, 3s));
          UdpPair flows(sites.scene, 500us);
          flows.start();
          world.run_for(2s);
          flows.reset_gaps();
          sites.scene.host(who).order_wan(0, order);
          world.run_for(500ms);
          CAPTURE(static_cast<int>(order));
          CHECK(sites.both_use(1));
          // The way there is 20 ms longer, and there is no other gap.
          CHECK(to_ms(flows.gap_max()) <= 21);
          flows.reset_gaps();
          sites.scene.host(who).order_wan(0, PathOrder::Up);
          CHECK(sites.runs_on(0, 1s));
          world.run_for(2s);
          CHECK(to_ms(flows.gap_max()) <= 1);
          flows.stop();
          world.run_for(200ms);
          CHECK(flows.missing() == 0);
          for (const NodeStatus status = sites.branch.status();
               const PathStatus& path : status.peers[0].paths)
            CHECK(path.downs == 0);
        });
      }
    }
  }

  TEST_CASE("a drained WAN carries all when it is the last one, and is left again") {
    twice([](World& world) {
      Sites sites(world, kTwo);
      REQUIRE(sites.bring_up());
      sites.branch.order_wan(0, PathOrder::Drain);
      REQUIRE(sites.runs_on(1, 3s));
      UdpPair flows(sites.scene, 1ms);
      flows.start();
      world.run_for(2s);
      sites.branch.wan(1).cut();
      CHECK(sites.runs_on(0, 200ms));
      sites.branch.wan(1).restore();
      CHECK(sites.runs_on(1, 1s));
    });
  }

  TEST_CASE("a WAN that is down by hand stays down, silent but for AdminDown, until it is up") {
    twice([](World& world) {
      Sites sites(world, kTwo);
      REQUIRE(sites.bring_up());
      world.run_for(1s);
      sites.branch.order_wan(0, PathOrder::Down);
      world.run_for(5s);
      CHECK(count_paths(sites.branch, PathState::Up) == 1);
      CHECK(count_paths(sites.hub, PathState::Up) == 1);
      const std::uint64_t before = sites.branch.wan(0).up().counters().in_packets;
      const std::size_t events = sites.hub.events().size();
      world.run_for(60s);
      CHECK(sites.branch.wan(0).up().counters().in_packets - before <= 90);
      CHECK(sites.hub.events().size() == events);
      sites.branch.order_wan(0, PathOrder::Up);
      CHECK(world.run_until([&] { return count_paths(sites.hub, PathState::Up) == 2; }, 1s));
      CHECK(world.run_until([&] { return count_paths(sites.branch, PathState::Up) == 2; }, 1s));
    });
  }

  TEST_CASE("an order outlives new keys and a restart of the peer") {
    twice([](World& world) {
      SitesPlan plan = kTwo;
      plan.rekey_after = 5s;
      Sites sites(world, plan);
      REQUIRE(sites.bring_up());
      sites.branch.order_wan(0, PathOrder::Drain);
      world.run_for(20s);
      CHECK(sites.both_use(1));
      sites.hub.restart();
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(10s);
      CHECK(sites.both_use(1));
    });
  }
}
