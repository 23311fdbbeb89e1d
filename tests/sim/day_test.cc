// A day at full load on bad links, thinned: the links are slow, so that a day has few packets.
// Minutes of computing: suite long.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/tcp_receiver.h"
#include "tests/sim/tcp_sender.h"

using namespace wanbond;
using namespace wanbond::sim;

TEST_SUITE("sim_day") {
  TEST_CASE("24 hours of full load with 1 % loss and 10 ms of jitter bring no false Down") {
    for (const LinkJitter kind : {LinkJitter::Normal, LinkJitter::Exponential}) {
      const LinkSettings link{.jitter_kind = kind,
                              .jitter = 10ms,
                              .rate = {1'000'000},
                              .queue_bytes_max = 20'000,
                              .loss_ppm = 10'000};
      World world(24);
      Sites sites(world, {.accesses = {{.rtt = 40ms, .link = link}, {.rtt = 60ms, .link = link}}});
      REQUIRE(sites.bring_up(10s));
      const Conversation who = talk(kHub, kBranch);
      TcpReceiver receiver(world, sites.branch.lan(), who.reversed(), 1360);
      TcpSender sender(world, sites.hub.lan(), {.who = who, .bytes = std::uint64_t{1} << 40});
      sender.start();
      for (int hour = 1; hour <= 24; ++hour) {
        world.run_for(std::chrono::hours(1));
        CAPTURE(hour);
        REQUIRE(sites.count_all_downs() == 0);
      }
      MESSAGE("received " << receiver.report().bytes / 1'000'000 << " MB");
    }
  }
}
