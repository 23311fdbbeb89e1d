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

  // Heavy tails: one packet in 150 is more than 50 ms late, and holds up those behind it.
  TEST_CASE("1 % loss and 10 ms of exponential jitter bring no false Down, whatever the load") {
    const LinkSettings link{.jitter_kind = LinkJitter::Exponential,
                            .jitter = 10ms,
                            .rate = {50'000'000},
                            .queue_bytes_max = 250'000,
                            .loss_ppm = 10'000};
    for (const Duration interval : {8ms, 50ms, 200ms, 1000ms}) {
      World world(static_cast<std::uint64_t>(interval / 1ms));
      Sites sites(world, {.accesses = {{.rtt = 40ms, .link = link}, {.rtt = 60ms, .link = link}}});
      REQUIRE(sites.bring_up(10s));
      UdpPair flows(sites.scene, interval);
      flows.start();
      world.run_for(180s);
      CAPTURE(to_ms(interval));
      CHECK(sites.count_all_downs() == 0);
      for (const NodeStatus status = sites.branch.status();
           const PathStatus& path : status.peers[0].paths)
        CHECK(to_ms(path.detection_time) <= 1800);
    }
  }

  TEST_CASE("a clean path in use is watched with 80 ms, a path that loses 5 % with 120 ms") {
    for (const std::uint32_t loss_ppm : {0U, 50'000U}) {
      World world(3);
      Sites sites(world, {.accesses = {{.rtt = 20ms, .link = {.loss_ppm = loss_ppm}}}});
      REQUIRE(sites.bring_up(10s));
      UdpPair flows(sites.scene, 40ms);
      flows.start();
      world.run_for(30s);
      CAPTURE(loss_ppm);
      const Duration watched = sites.hub.status().peers[0].paths[0].detection_time;
      CHECK(watched >= (loss_ppm == 0 ? 80ms : 100ms));
      CHECK(watched <= (loss_ppm == 0 ? 80ms : 140ms));
      CHECK(sites.count_all_downs() == 0);
    }
  }
}
