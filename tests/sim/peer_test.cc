// Scenarios of peers: who knows whom, NAT, dead endpoints, restarts, several of them.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

const SitesPlan kTwo{.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}};

// When traffic in both directions flows again after `since`; kNever if not within 5 s.
Duration time_to_traffic(World& world, const UdpPair& flows, Time since) {
  const bool flows_again = world.run_until(
      [&] {
        return flows.up.report().last_arrival > since && flows.down.report().last_arrival > since;
      },
      5s);
  return flows_again ? world.now() - since : Duration::max();
}

}  // namespace

TEST_SUITE("sim_peer") {
  // branch (no endpoint) <---- hub (knows the branch)
  TEST_CASE("a side without an endpoint is called by the other") {
    twice([](World& world) {
      Sites sites(world, {.accesses = kTwo.accesses, .knows = Knows::HubOnly});
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(1s);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() == 0);
    });
  }

  // branch ----> hub and hub ----> branch on the same address pairs
  TEST_CASE("two sides that call each other end with one path for each pair of addresses") {
    twice([](World& world) {
      Sites sites(world, {.accesses = kTwo.accesses, .knows = Knows::Both});
      sites.scene.start_all();
      UdpPair flows(sites.scene, 5ms);
      world.run_for(500ms);
      flows.start();
      world.run_for(10s);
      flows.stop();
      world.run_for(200ms);
      CHECK(count_paths(sites.branch, PathState::Up) == 2);
      CHECK(count_paths(sites.hub, PathState::Up) == 2);
      CHECK(sites.both_use(0));
      CHECK(flows.missing() == 0);
      CHECK(sites.count_all_downs() == 0);
    });
  }

  TEST_CASE("a dead first endpoint does not keep the second from being used") {
    twice([](World& world) {
      SitesPlan plan = kTwo;
      plan.first_endpoint_dead = true;
      Sites sites(world, plan);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(10s);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() == 0);
      CHECK(sites.count_all_downs() == 0);
    });
  }

  // branch --- NAT --- hub: the NAT box forgets and gives a new port
  TEST_CASE("a flow goes on after a NAT rebinding, and the address moves once it has answered") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms, .nat = AccessPlan::Nat::Box}}});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(2s);
      flows.reset_gaps();
      const Endpoint before = sites.hub.status().peers[0].paths[0].remote;
      const Time rebinding = world.now();
      sites.branch.wan(0).rebind();
      CHECK(world.run_until(
          [&] { return count_events(sites.hub, EventKind::PathMoved, rebinding) > 0; }, 1s));
      CHECK(world.now() - rebinding >= 20ms);  // not before a round trip
      world.run_for(2s);
      CHECK(flows.up.report().gap_max < 200ms);
      CHECK(flows.down.report().gap_max < 500ms);
      CHECK(sites.hub.status().peers[0].paths[0].remote != before);
      CHECK(count_events(sites.hub, EventKind::PathMoved, rebinding) == 1);
    });
  }

  TEST_CASE("a NAT box keeps its mapping while the tunnel is idle") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms, .nat = AccessPlan::Nat::Box}}});
      REQUIRE(sites.bring_up());
      world.run_for(300s);
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(1s);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() == 0);
      CHECK(count_events(sites.hub, EventKind::PathMoved) == 0);
    });
  }

  // A copier in the middle sends a datagram on from its own address, sooner than the true one.
  TEST_CASE("who sends a copy from elsewhere does not pull the flow to himself") {
    twice([](World& world) {
      Sites sites(world, {});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(1s);
      const Endpoint thief{IpAddress::v4(0xcb0071c8), 666};
      std::uint64_t got = 0;
      sites.scene.internet().attach(thief.address, {99, [&](Datagram&&) { ++got; }});
      int copies = 0;
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        const bool to_hub = datagram.to == wan_endpoint(kHub, 0) && datagram.from != thief;
        if (to_hub && copies < 200 && ++copies > 0) datagram.from = thief;
        return Internet::Verdict::Pass;
      });
      world.run_for(3s);
      flows.stop();
      world.run_for(200ms);
      CHECK(copies == 200);
      CHECK(got < 50);  // challenges only
      CHECK(sites.hub.status().peers[0].paths[0].remote == wan_endpoint(kBranch, 0));
      CHECK(count_events(sites.hub, EventKind::PathMoved) == 0);
    });
  }

  TEST_CASE("traffic flows again within a second after a restart of either side") {
    for (const std::size_t who : {kBranch, kHub}) {
      for (const Duration pause : {Duration(0), Duration(300ms), Duration(10s)}) {
        CAPTURE(who);
        CAPTURE(to_ms(pause));
        twice([&](World& world) {
          Sites sites(world, kTwo);
          REQUIRE(sites.bring_up());
          UdpPair flows(sites.scene, 5ms);
          flows.start();
          world.run_for(2s);
          sites.scene.host(who).kill();
          world.run_for(pause);
          sites.scene.host(who).start();
          CHECK(time_to_traffic(world, flows, world.now()) < 1s);
          world.run_for(3s);
          CHECK(sites.both_use(0));
        });
      }
    }
  }

  TEST_CASE("a goodbye takes the peer down at once, on both sides") {
    twice([](World& world) {
      Sites sites(world, kTwo);
      REQUIRE(sites.bring_up());
      world.run_for(1s);
      const Time end = world.now();
      sites.hub.terminate();
      world.run_for(1s);
      CHECK_FALSE(is_peer_up(sites.branch));
      CHECK(first_event(sites.branch, EventKind::PeerDown, end) - end < 50ms);
      sites.hub.start();
      CHECK(world.run_until([&] { return is_peer_up(sites.branch) && is_peer_up(sites.hub); }, 2s));
    });
  }

  //         /---- branch 1
  //  hub ------- ...
  //         \---- branch 5
  TEST_CASE("a hub serves several peers and keeps their packets apart") {
    twice([](World& world) {
      Scene scene(world);
      add_star(scene, 5);
      scene.start_all();
      REQUIRE(world.run_until(
          [&] {
            for (std::size_t peer = 0; peer < 5; ++peer)
              if (!is_peer_up(scene.host(0), peer) || !is_peer_up(scene.host(peer + 1)))
                return false;
            return true;
          },
          3s));
      std::vector<std::unique_ptr<UdpFlow>> flows;
      for (std::size_t i = 1; i <= 5; ++i) {
        const auto number = static_cast<std::uint16_t>(i);
        flows.push_back(std::make_unique<UdpFlow>(
            world, scene.host(i).lan(), scene.host(0).lan(),
            UdpFlow::Settings{.who = talk(i, 0, number), .interval = 10ms}));
        flows.push_back(std::make_unique<UdpFlow>(
            world, scene.host(0).lan(), scene.host(i).lan(),
            UdpFlow::Settings{.who = talk(0, i, number), .interval = 10ms}));
      }
      for (auto& flow : flows) flow->start();
      world.run_for(2s);
      for (auto& flow : flows) flow->stop();
      world.run_for(500ms);
      for (auto& flow : flows) {
        CHECK(flow->missing() == 0);
        CHECK(flow->report().damaged == 0);
      }
      CHECK(count_downs(scene.host(0)) == 0);
    });
  }
}
