// Scenarios of time: clocks that drift, a stopped program, a day of idleness, ten minutes of load.
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

  TEST_CASE("a program stopped for 300 ms is seen Down once, and not again") {
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
        CHECK(count_downs(other, stop) == 1);
        CHECK(first_down(other, stop) - stop <= 100ms);
        CHECK(count_downs(sites.scene.host(who), stop) <= 1);
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

  TEST_CASE("a day of idleness brings no Down, and few timer calls") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}});
      REQUIRE(sites.bring_up());
      const std::uint64_t before = sites.scene.checker().timer_calls(kBranch);
      world.run_for(std::chrono::hours(24));
      CHECK(sites.count_all_downs() == 0);
      CHECK(is_peer_up(sites.branch));
      const std::uint64_t calls = sites.scene.checker().timer_calls(kBranch) - before;
      MESSAGE("timer calls per second: ", static_cast<double>(calls) / 86400);
      CHECK(calls < 30 * 86400);
    });
  }

  // Netem's "delay jitter distribution normal loss rate", 1 Mbit/s each way.
  TEST_CASE("ten minutes of load with 1 % loss and 10 ms of jitter bring no false Down") {
    twice([](World& world) {
      const LinkSettings link{.semantics = LinkSemantics::Netem,
                              .jitter = 10ms,
                              .rate = {50'000'000},
                              .loss_ppm = 10'000};
      Sites sites(world, {.accesses = {{.rtt = 40ms, .link = link}, {.rtt = 60ms, .link = link}}});
      REQUIRE(sites.bring_up(10s));
      UdpPair flows(sites.scene, 8ms);
      flows.start();
      world.run_for(600s);
      CHECK(sites.count_all_downs() == 0);
      const std::uint64_t sent = flows.up.report().sent + flows.down.report().sent;
      CHECK(flows.missing() * 100 < 2 * sent);
    });
  }
}
