// Scenarios of endurance: a day of idleness, ten minutes of load on bad links.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

TEST_SUITE("sim_endurance") {
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
