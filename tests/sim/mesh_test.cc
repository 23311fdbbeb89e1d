// Scenarios of paths that come and go: every WAN to every address of the peer, addresses that the
// peer offers and takes back, WANs that vanish, move and return.
#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

const SitesPlan kThree{.accesses = {{.rtt = 20ms}, {.rtt = 40ms}, {.rtt = 80ms}}};

WanState present(std::size_t host, std::size_t wan) {
  return {.addresses = {wan_endpoint(host, wan).address}};
}

/// The hub says the addresses of all its WANs, as the driver does at the start.
void tell_hub_addresses(Sites& sites) {
  for (std::size_t i = 0; i < sites.hub.wan_count(); ++i) sites.hub.tell_wan(i, present(kHub, i));
}

bool runs_with(Sites& sites, World& world, std::size_t paths, Duration limit = 5s) {
  return world.run_until(
      [&] {
        return count_paths(sites.branch, PathState::Up) == paths &&
               count_paths(sites.hub, PathState::Up) == paths;
      },
      limit);
}

std::size_t path_count(const Host& host) { return host.status().peers[0].paths.size(); }

Cause last_cause(const Host& host, EventKind kind) {
  const auto& events = host.events();
  const auto found = std::find_if(events.rbegin(), events.rend(),
                                  [&](const HostEvent& entry) { return entry.event.kind == kind; });
  return found == events.rend() ? Cause::None : found->event.cause;
}

}  // namespace

TEST_SUITE("sim_mesh") {
  // branch ==(3 WANs)== Internet ==(2 WANs)== hub, whose addresses are both configured
  TEST_CASE("every WAN has a path to every endpoint") {
    twice([](World& world) {
      SitesPlan plan = kThree;
      plan.meshed_endpoints = plan.hub_wans = 2;
      Sites sites(world, plan);
      sites.scene.start_all();
      REQUIRE(runs_with(sites, world, 6));
      CHECK(sites.both_use(0));
    });
  }

  TEST_CASE("the peer's further addresses are offered and used, and left when taken back") {
    twice([](World& world) {
      SitesPlan plan = kThree;
      plan.meshed_endpoints = 1;
      plan.hub_wans = 3;
      Sites sites(world, plan);
      sites.scene.start_all();
      tell_hub_addresses(sites);
      REQUIRE(runs_with(sites, world, 9));  // 3 configured, 6 by two more addresses
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(2s);
      sites.hub.tell_wan(2, WanState{.usable = true, .addresses = {IpAddress::v4(0xc6120199)}});
      world.run_for(500ms);
      CHECK(last_cause(sites.branch, EventKind::PathRemoved) == Cause::AddressGone);
      CHECK(count_events(sites.branch, EventKind::PathRemoved) == 3);
      CHECK(count_paths(sites.branch, PathState::Up) == 6);
      world.run_for(4s);  // nobody lives at the new address
      CHECK(path_count(sites.branch) == 9);
      sites.hub.tell_wan(2, present(kHub, 2));
      REQUIRE(runs_with(sites, world, 9, 10s));
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() == 0);
    });
  }

  TEST_CASE("private addresses are offered only to a peer that is reached at one") {
    twice([](World& world) {
      SitesPlan plan = kThree;
      plan.meshed_endpoints = 1;
      plan.hub_wans = 3;
      Sites sites(world, plan);
      sites.scene.start_all();
      sites.hub.tell_wan(1, {.addresses = {IpAddress::v4(0xc0a80105), IpAddress::v4(0x0a010203),
                                           *IpAddress::parse("fd00::1"), IpAddress::v4(0xa9fe0101),
                                           *IpAddress::parse("fe80::1")}});
      REQUIRE(runs_with(sites, world, 3));
      world.run_for(1s);
      CHECK(path_count(sites.branch) == 3);
      CHECK(count_events(sites.branch, EventKind::PathAdded) == 0);
    });
  }

  TEST_CASE("an offer of sixteen addresses opens what the ids allow and challenges it rarely") {
    twice([](World& world) {
      SitesPlan plan = kThree;
      plan.meshed_endpoints = plan.hub_wans = 1;
      Sites sites(world, plan);
      sites.scene.start_all();
      WanState state;
      for (std::uint32_t i = 0; i < 40; ++i)
        state.addresses.push_back(IpAddress::v4(0xcb007100 + i));  // 203.0.113/24: nobody
      sites.hub.tell_wan(0, state);
      REQUIRE(runs_with(sites, world, 3));
      world.run_for(10s);
      CHECK(path_count(sites.branch) == 32);
      std::size_t bothered = 0;
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        bothered += sites.scene.internet().host_of(datagram.to.address) ? 0 : 1;
        return Internet::Verdict::Pass;
      });
      world.run_for(60s);
      CHECK(bothered <= 29 * 5);  // one in 15 s to each
      CHECK(sites.count_all_downs() == 0);
    });
  }

  TEST_CASE("a WAN without carrier is left and told at once, and tried at once when it is back") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      world.run_for(10s);  // idle
      const Time lost = world.now();
      sites.branch.wan(0).cut();
      sites.branch.tell_wan(0, {.usable = false});
      CHECK(first_down(sites.branch, lost) == lost);
      CHECK(last_cause(sites.branch, EventKind::PathState) == Cause::WanLost);
      CHECK(selected_wan(sites.branch) == 1U);
      world.run_for(1s);
      CHECK(first_down(sites.hub, lost) - lost <= 25ms);  // half the round trip of the next
      CHECK(last_cause(sites.hub, EventKind::PathState) == Cause::PeerLostWan);
      world.run_for(70s);  // long enough for challenges to have become rare
      const Time back = world.now();
      sites.branch.wan(0).restore();
      sites.branch.tell_wan(0, present(kBranch, 0));
      REQUIRE(world.run_until([&] { return count_paths(sites.branch, PathState::Up) == 3; }, 1s));
      CHECK(world.now() - back <= 100ms);
    });
  }

  TEST_CASE("nothing is sent from a WAN that is gone") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      sites.branch.tell_wan(1, {.usable = false});
      std::size_t sent = 0;
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        sent += datagram.from == wan_endpoint(kBranch, 1) ? 1 : 0;
        return Internet::Verdict::Pass;
      });
      world.run_for(50ms);  // what is under way
      sent = 0;
      world.run_for(30s);
      CHECK(sent == 0);
      CHECK(count_paths(sites.branch, PathState::Down) == 1);
    });
  }

  TEST_CASE("the loss of the address in use moves the flows at once") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      sites.branch.tell_wan(0, present(kBranch, 0));
      CHECK(sites.count_all_downs() == 0);
      const Time lost = world.now();
      sites.branch.tell_wan(0, {});
      CHECK(first_down(sites.branch, lost) == lost);
      world.run_for(5s);
      CHECK(count_paths(sites.branch, PathState::Up) == 2);
      sites.branch.tell_wan(0, present(kBranch, 0));
      REQUIRE(world.run_until([&] { return count_paths(sites.branch, PathState::Up) == 3; }, 1s));
    });
  }

  TEST_CASE("an endpoint with a new address gets a new path; the old one is used while it works") {
    twice([](World& world) {
      SitesPlan plan{.accesses = {{.rtt = 20ms}}, .meshed_endpoints = 1, .hub_wans = 2};
      Sites sites(world, plan);
      sites.scene.start_all();
      REQUIRE(runs_with(sites, world, 1));
      sites.branch.tell_endpoint(0, wan_endpoint(kHub, 1));
      REQUIRE(runs_with(sites, world, 2));
      CHECK(sites.count_all_downs() == 0);
      world.run_for(10s);
      CHECK(count_paths(sites.branch, PathState::Up) == 2);
      sites.hub.wan(0).cut();
      world.run_for(5s);
      CHECK(path_count(sites.branch) == 1);
      CHECK(is_peer_up(sites.branch));
      CHECK(last_cause(sites.branch, EventKind::PathRemoved) == Cause::AddressGone);
      CHECK(last_cause(sites.hub, EventKind::PathRemoved) == Cause::PeerAbandoned);
    });
  }

  TEST_CASE("an endpoint that cannot be resolved at first gets its path when it can") {
    twice([](World& world) {
      SitesPlan plan{.accesses = {{.rtt = 20ms}, {.rtt = 30ms}}, .meshed_endpoints = 1};
      Sites sites(world, plan);
      sites.scene.start_all();
      sites.branch.tell_endpoint(0, {});
      world.run_for(1s);
      CHECK_FALSE(is_peer_up(sites.branch));
      sites.branch.tell_endpoint(0, wan_endpoint(kHub, 0));
      REQUIRE(runs_with(sites, world, 2, 10s));
    });
  }
}
