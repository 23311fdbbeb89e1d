// Scenarios of time: clocks that drift, and a stopped program.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

TEST_SUITE("sim_clock") {
  TEST_CASE("clocks that drift by 1 % cause no false Down and slow no detection") {
    for (const std::int64_t drift_ppm : {-10'000, 10'000}) {
      twice([&](World& world) {
        Sites sites(world,
                    {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}, .branch_drift_ppm = drift_ppm});
        REQUIRE(sites.bring_up());
        UdpPair flows(sites.scene, 10ms);
        flows.start();
        world.run_for(150s);
        CHECK(flows.missing() < 10);  // those in flight
        CHECK(sites.both_use(0));
        CHECK(sites.count_all_downs() == 0);
        const Time cut = world.now();
        sites.branch.wan(0).cut();
        world.run_for(1s);
        CHECK(first_down(sites.branch, cut) - cut <= 101ms);
        CHECK(first_down(sites.hub, cut) - cut <= 101ms);
        CHECK(sites.both_use(1));
      });
    }
  }

  TEST_CASE("a program stopped for 300 ms is seen Down once by each path in use, and not again") {
    for (const std::size_t who : {kBranch, kHub}) {
      twice([&](World& world) {
        Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}});
        REQUIRE(sites.bring_up());
        UdpPair flows(sites.scene, 5ms);
        flows.start();
        world.run_for(2s);
        const Time stop = world.now();
        sites.scene.host(who).freeze(300ms);
        world.run_for(10s);
        const Host& other = sites.scene.host(who == kBranch ? kHub : kBranch);
        // The copies of the flows' first packets have brought the second path into use.
        CHECK(count_downs(other, stop) == 2);
        CHECK(first_down(other, stop) - stop <= 100ms);
        CHECK(count_downs(sites.scene.host(who), stop) <= 2);
        CHECK(sites.both_use(0));
        CHECK(sites.count_all_downs(stop + 1s) == 0);
      });
    }
  }

  TEST_CASE("a program stopped for less than the detection time is not noticed") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(2s);
      for (int i = 0; i < 50; ++i) {
        sites.scene.host(i % 2 == 0 ? kBranch : kHub).freeze(40ms);
        world.run_for(200ms);
      }
      CHECK(sites.count_all_downs() == 0);
    });
  }

  TEST_CASE("pauses of its own do not make a node slower to see a failure") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(2s);
      for (int i = 0; i < 100; ++i) {
        sites.hub.freeze(30ms);
        world.run_for(200ms);
      }
      CHECK(sites.hub.status().peers[0].paths[0].detection_time == 80ms);
      CHECK(sites.branch.status().peers[0].paths[0].detection_time == 80ms);
      CHECK(sites.count_all_downs() == 0);
    });
  }
}
