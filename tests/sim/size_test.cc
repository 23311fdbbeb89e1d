// Scenarios of packet size: paths that carry less than their interfaces, from the start or later.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/tcp_receiver.h"
#include "tests/sim/tcp_sender.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

/// From now on WAN 0 carries IP packets of at most `bytes`, both ways, and says nothing.
void shrink(Sites& sites, std::uint32_t bytes) {
  for (Link* link : {&sites.branch.wan(0).up(), &sites.branch.wan(0).down()}) {
    LinkSettings settings = link->settings();
    settings.mtu_bytes = bytes;
    link->set(settings);
  }
}

std::size_t mtu_of(const Host& host) { return host.status().peers[0].paths[0].mtu_bytes; }

/// A transfer whose segments fill the TUN's 1420 bytes.
struct Transfer {
  Transfer(Sites& sites, std::size_t from, std::uint64_t bytes)
      : who(talk(from, 1 - from)),
        receiver(sites.scene.world(), sites.scene.host(1 - from).lan(), who.reversed(), 1380),
        sender(sites.scene.world(), sites.scene.host(from).lan(),
               {.who = who, .bytes = bytes, .mss_bytes = 1380}) {
    sender.start();
  }
  Conversation who;
  TcpReceiver receiver;
  TcpSender sender;
};

constexpr BitRate kRate{50'000'000};

}  // namespace

TEST_SUITE("sim_size") {
  TEST_CASE("a path's size is known as soon as it is up") {
    for (const std::uint32_t mtu : {1500U, 1492U}) {
      twice([&](World& world) {
        Sites sites(world, {.accesses = {{.rtt = 20ms, .link = {.mtu_bytes = mtu}}}});
        REQUIRE(sites.bring_up());
        world.run_for(20ms);
        CHECK(mtu_of(sites.branch) == mtu);
        CHECK(mtu_of(sites.hub) == mtu);
      });
    }
  }

  // branch ---- RTT, 1500, then 1400 bytes ---- hub
  TEST_CASE("a path that shrinks under a TCP flow stalls it for less than 1 s, without a Down") {
    for (const Duration rtt : {20ms, 60ms, 100ms}) {
      for (const std::size_t from : {kBranch, kHub}) {
        twice([&](World& world) {
          Sites sites(
              world,
              {.accesses = {{.rtt = rtt, .link = {.rate = kRate, .queue_bytes_max = 250'000}}}});
          REQUIRE(sites.bring_up());
          Transfer transfer(sites, from, 1'000'000'000);
          world.run_for(3s);
          const std::uint64_t before = transfer.receiver.report().bytes;
          shrink(sites, 1400);
          world.run_for(5s);
          const TcpReceiver::Report& report = transfer.receiver.report();
          CHECK(report.bytes > before);  // the model's TCP repeats slowly after a time-out
          CHECK(report.damaged == 0);
          CHECK(report.gap_max < 1s);
          CHECK(world.now() - report.last_progress < 1s);
          CHECK(transfer.sender.report().too_big == 1);
          CHECK(mtu_of(sites.scene.host(from)) == 1400);
          CHECK(sites.count_all_downs() == 0);
        });
      }
    }
  }

  TEST_CASE("a TCP flow over a small path offers what fits and nothing is too big") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms, .link = {.mtu_bytes = 1400}}}});
      REQUIRE(sites.bring_up());
      world.run_for(100ms);
      Transfer transfer(sites, kBranch, 2'000'000);
      REQUIRE(world.run_until([&] { return transfer.sender.is_done(); }, 30s));
      CHECK(transfer.sender.report().too_big == 0);
      CHECK(transfer.sender.report().timeouts == 0);
      CHECK(sites.branch.status().drops.of(DropReason::TooBig) == 0);
    });
  }

  //        /--- 20 ms, 1339 bytes ---
  // branch ---- 40 ms --------------- hub
  TEST_CASE("a path that cannot carry the smallest data carries none, and says so") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms, .link = {.mtu_bytes = 1339}}, {.rtt = 40ms}}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(10s);
      CHECK(sites.both_use(1));
      CHECK(flows.missing() <= 10);
      for (const Host* host : {&sites.branch, &sites.hub})
        CHECK(first_event(*host, EventKind::PathSize, {}) != kNever);
    });
  }

  TEST_CASE("random losses of 2 % under load do not shrink a path") {
    twice([](World& world) {
      Sites sites(world,
                  {.accesses = {
                       {.rtt = 20ms,
                        .link = {.rate = kRate, .queue_bytes_max = 250'000, .loss_ppm = 20'000}}}});
      REQUIRE(sites.bring_up());
      Transfer transfer(sites, kBranch, 20'000'000);
      world.run_for(60s);
      CHECK(mtu_of(sites.branch) == 1500);
      CHECK(transfer.sender.report().too_big == 0);
    });
  }
}
