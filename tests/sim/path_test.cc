// Scenarios of paths: they come up, fail in every way, and return; flows follow.
#include <doctest/doctest.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tests/sim/sites.h"
#include "tests/sim/tcp_receiver.h"
#include "tests/sim/tcp_sender.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

const SitesPlan kThree{.accesses = {{.rtt = 20ms}, {.rtt = 40ms}, {.rtt = 80ms}}};

// A failover within detection time: 80 ms, and the 20 ms more that the next path takes.
constexpr Duration kDetection = 100ms;
constexpr Duration kGapMax = kDetection + 20ms;

std::size_t count_selections(const Host& host, FlowCare care) {
  return static_cast<std::size_t>(
      std::count_if(host.events().begin(), host.events().end(), [&](const HostEvent& entry) {
        return entry.event.kind == EventKind::PathSelected &&
               (entry.event.flows == care || entry.event.flows == FlowCare::All);
      }));
}

Cause last_down_cause(const Host& host) {
  const auto& events = host.events();
  const auto down = std::find_if(events.rbegin(), events.rend(), [](const HostEvent& entry) {
    return entry.event.kind == EventKind::PathState && entry.event.to == PathState::Down;
  });
  return down == events.rend() ? Cause::None : down->event.cause;
}

}  // namespace

TEST_SUITE("sim_path") {
  // branch ---- 20 ms ---- hub
  TEST_CASE("one path comes up within 200 ms and carries packets both ways") {
    twice([](World& world) {
      Sites sites(world, {});
      REQUIRE(sites.bring_up());
      CHECK(world.now() - Time(1s) < 200ms);
      UdpPair flows(sites.scene, 1ms);
      flows.start();
      world.run_for(1s);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.received() >= 2000);
      CHECK(flows.missing() == 0);
      CHECK(flows.up.report().late + flows.down.report().late == 0);
      CHECK(sites.count_all_downs() == 0);
    });
  }

  //        /--- 20 ms ---
  // branch ---- 40 ms ---- hub
  //        \--- 80 ms ---/
  TEST_CASE("three paths come up and both sides choose the fastest") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      CHECK(count_events(sites.branch, EventKind::PeerUp) == 1);
      CHECK(count_events(sites.hub, EventKind::PeerUp) == 1);
      world.run_for(10s);
      CHECK(sites.both_use(0));
      CHECK(sites.count_all_downs() == 0);
    });
  }

  //        /--- 20 ms --X   cut, later whole again
  // branch ---- 40 ms ---- hub
  //        \--- 80 ms ---/
  TEST_CASE("a silent cut of the path in use is detected in 100 ms; flows move and come back") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 1ms);
      flows.start();
      world.run_for(2s);
      flows.reset_gaps();
      const Time cut = world.now();
      sites.branch.wan(0).cut();
      world.run_for(500ms);
      CHECK(first_down(sites.branch, cut) - cut <= kDetection);
      CHECK(first_down(sites.hub, cut) - cut <= kDetection);
      CHECK(sites.both_use(1));
      CHECK(flows.gap_max() <= kGapMax);
      const Time back = world.now();
      sites.branch.wan(0).restore();
      flows.reset_gaps();
      CHECK(sites.runs_on(0, 5s));
      CHECK(world.now() - back < 5s);
      world.run_for(2s);
      CHECK(flows.gap_max() < 30ms);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() < 2 * 120);
      CHECK(sites.count_all_downs(back) == 0);
    });
  }

  TEST_CASE("the cut of a path that is not in use moves nothing") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 1ms);
      flows.start();
      world.run_for(1s);
      sites.branch.wan(1).cut();
      world.run_for(3s);
      CHECK(count_downs(sites.branch) == 1);
      CHECK(count_downs(sites.hub) == 1);
      flows.stop();
      world.run_for(200ms);
      CHECK(sites.both_use(0));
      CHECK(flows.missing() == 0);
    });
  }

  //        /-X- 20 ms ---   only one direction is lost
  // branch ---- 40 ms ---- hub
  TEST_CASE("one-way loss is detected by the deaf side, and the other is told") {
    for (const bool up : {true, false}) {
      twice([&](World& world) {
        Sites sites(world, kThree);
        REQUIRE(sites.bring_up());
        REQUIRE(sites.runs_on(0, 3s));
        UdpPair flows(sites.scene, 1ms);
        flows.start();
        world.run_for(2s);
        flows.reset_gaps();
        const Time cut = world.now();
        (up ? sites.branch.wan(0).up() : sites.branch.wan(0).down()).cut();
        world.run_for(500ms);
        const Host& deaf = up ? sites.hub : sites.branch;
        const Host& other = up ? sites.branch : sites.hub;
        CHECK(first_down(deaf, cut) - cut <= kDetection);
        CHECK(first_down(other, cut) - cut <= kGapMax);
        CHECK(sites.both_use(1));
        CHECK(flows.gap_max() <= kGapMax + 20ms);
        world.run_for(5s);
        CHECK(sites.both_use(1));
      });
    }
  }

  TEST_CASE("all paths fail and return: the peer is down, then up, and traffic goes on") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 10ms);
      flows.start();
      world.run_for(1s);
      for (std::size_t i = 0; i < 3; ++i) sites.branch.wan(i).cut();
      world.run_for(5s);
      CHECK_FALSE(is_peer_up(sites.branch));
      CHECK_FALSE(is_peer_up(sites.hub));
      CHECK(count_events(sites.branch, EventKind::PeerDown) == 1);
      const Time back = world.now();
      flows.reset_gaps();
      for (std::size_t i = 0; i < 3; ++i) sites.branch.wan(i).restore();
      CHECK(world.run_until([&] { return flows.up.report().last_arrival > back; }, 1s));
      CHECK(world.run_until([&] { return flows.down.report().last_arrival > back; }, 1s));
      CHECK(sites.runs_on(0, 5s));
      CHECK(count_events(sites.branch, EventKind::PeerUp) == 2);
    });
  }

  TEST_CASE(
      "after ten minutes without any path the peer is back within the handshake's longest wait") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      for (std::size_t i = 0; i < 3; ++i) sites.branch.wan(i).cut();
      world.run_for(600s);
      CHECK_FALSE(is_peer_up(sites.branch));
      for (std::size_t i = 0; i < 3; ++i) sites.branch.wan(i).restore();
      // The keys have expired: the wait is that of the handshake, 15 s and a quarter.
      CHECK(
          world.run_until([&] { return is_peer_up(sites.branch) && is_peer_up(sites.hub); }, 20s));
    });
  }

  TEST_CASE("a flapping path does not take the flows with it each time") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(2s);  // on a path in use, failure is seen soon
      for (int i = 0; i < 20; ++i) {
        sites.branch.wan(0).cut();
        world.run_for(700ms);
        sites.branch.wan(0).restore();
        world.run_for(800ms);
      }
      // UDP keeps away after three downs; what is repaired goes there and back most times.
      CHECK(count_selections(sites.branch, FlowCare::Plain) < 12);
      CHECK(count_selections(sites.branch, FlowCare::Repaired) > 2 * 12);
      CHECK(is_peer_up(sites.branch));
      CHECK(flows.gap_max() <= 200ms);
      CHECK(sites.runs_on(0, 120s));
    });
  }

  TEST_CASE("a TCP transfer lives through a cut and arrives whole") {
    twice([](World& world) {
      SitesPlan plan = kThree;
      for (AccessPlan& access : plan.accesses)
        access.link = {.rate = {20'000'000}, .queue_bytes_max = 100'000};
      Sites sites(world, plan);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      const Conversation who = talk(kBranch, kHub);
      TcpReceiver receiver(world, sites.hub.lan(), who.reversed(), 1360);
      TcpSender sender(world, sites.branch.lan(), {.who = who, .bytes = 5'000'000});
      sender.start();
      world.run_for(1s);
      sites.branch.wan(0).cut();
      world.run_for(3s);
      sites.branch.wan(0).restore();
      REQUIRE(world.run_until([&] { return sender.is_done(); }, 60s));
      CHECK(receiver.report().bytes == 5'000'000);
      CHECK(receiver.report().damaged == 0);
      CHECK(receiver.report().gap_max < 1s);
    });
  }

  TEST_CASE("a WAN that refuses to send is left, the node lives, and it comes back") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 1ms);
      flows.start();
      world.run_for(1s);
      const Time lost = world.now();
      sites.branch.refuse_sends(0, ENETUNREACH);
      sites.branch.wan(0).cut();
      world.run_for(1s);
      CHECK(first_down(sites.branch, lost) - lost <= kDetection);
      CHECK(sites.both_use(1));
      sites.branch.refuse_sends(0, 0);
      sites.branch.wan(0).restore();
      CHECK(sites.runs_on(0, 5s));
    });
  }

  TEST_CASE("the loss of a WAN on an idle path is told to the peer over the others") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      world.run_for(10s);  // heartbeats are 300 ms apart now: detection would take 1.2 s
      sites.branch.refuse_sends(1, ENETDOWN);
      sites.branch.wan(1).cut();
      const Time cut = world.now();
      REQUIRE(world.run_until([&] { return first_down(sites.branch, cut) != kNever; }, 500ms));
      const Time known = world.now();
      world.run_for(1s);
      CHECK(first_down(sites.hub, known) - known <= 15ms);  // half the 20 ms of the fastest
      CHECK(last_down_cause(sites.hub) == Cause::PeerLostWan);
      CHECK(count_downs(sites.hub) == 1);
      // It is taken back as soon as it works again.
      sites.branch.refuse_sends(1, 0);
      sites.branch.wan(1).restore();
      world.run_for(2s);
      CHECK(count_paths(sites.hub, PathState::Up) == 3);
      world.run_for(10s);
      CHECK(sites.count_all_downs() == 2);
    });
  }

  TEST_CASE("events tell when a failure was detected, decided, told, and when flows had switched") {
    twice([](World& world) {
      Sites sites(world, kThree);
      REQUIRE(sites.bring_up());
      REQUIRE(sites.runs_on(0, 3s));
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(2s);
      const Time cut = sites.branch.clock().local(world.now());
      sites.branch.wan(0).cut();
      world.run_for(1s);
      const auto& events = sites.branch.events();
      const auto down = std::find_if(events.begin(), events.end(), [&](const HostEvent& entry) {
        return entry.event.to == PathState::Down && entry.event.at > cut;
      });
      REQUIRE(down != events.end());
      const Event& event = down->event;
      CHECK(event.detected > cut);
      CHECK(event.detected < event.at);
      CHECK(event.told == event.at);
      CHECK(event.switched >= event.detected);
      CHECK(event.switched <= event.at);
      const auto moved = std::find_if(events.begin(), events.end(), [&](const HostEvent& entry) {
        return entry.event.kind == EventKind::PathSelected && entry.event.at > cut;
      });
      REQUIRE(moved != events.end());
      CHECK(moved->event.detected == event.detected);
      CHECK(moved->event.switched == event.switched);
      // A path that no flow uses is not left by any.
      const Time second = sites.branch.clock().local(world.now());
      sites.branch.tell_wan(2, {.usable = false});
      const Event& quiet = sites.branch.events().back().event;
      CHECK(quiet.detected == second);
      CHECK(quiet.told == second);
      CHECK(quiet.switched == kNever);
    });
  }

  TEST_CASE("what the peer is to know gets through although its first five copies are lost") {
    twice([](World& world) {
      SitesPlan plan{.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}};
      Sites sites(world, plan);
      REQUIRE(sites.bring_up());
      world.run_for(10s);
      int seen = 0;  // the first five CTRLs of the branch on the path that is left are lost
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        const bool is_told = datagram.from == wan_endpoint(kBranch, 1) &&
                             !sites.branch.events().empty() &&
                             first_down(sites.branch, Time{2s}) != kNever;
        return is_told && ++seen <= 5 ? Internet::Verdict::Drop : Internet::Verdict::Pass;
      });
      sites.branch.refuse_sends(0, ENETDOWN);
      sites.branch.wan(0).cut();
      const Time cut = world.now();
      REQUIRE(world.run_until([&] { return first_down(sites.branch, cut) != kNever; }, 500ms));
      const Time known = world.now();
      REQUIRE(world.run_until([&] { return first_down(sites.hub, cut) != kNever; }, 500ms));
      CHECK(world.now() - known <= 20ms + 5 * 60ms);
    });
  }

  TEST_CASE("the cause of a Down tells a WAN that is gone from one that refuses") {
    for (const auto& [error, cause] : {std::pair(ENETDOWN, Cause::WanLost),
                                       {ENODEV, Cause::WanLost},
                                       {EPERM, Cause::SendRefused},
                                       {ENETUNREACH, Cause::SendRefused}}) {
      twice([error = error, cause = cause](World& world) {
        Sites sites(world, kThree);
        REQUIRE(sites.bring_up());
        sites.branch.refuse_sends(0, error);
        world.run_for(1s);
        const auto down =
            std::find_if(sites.branch.events().begin(), sites.branch.events().end(),
                         [](const HostEvent& entry) { return entry.event.to == PathState::Down; });
        REQUIRE(down != sites.branch.events().end());
        CHECK(down->event.cause == cause);
      });
    }
  }
}
