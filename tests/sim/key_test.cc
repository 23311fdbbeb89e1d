// Scenarios of keys: rekeying under loss and without answers, and a clock that went back.
#include <doctest/doctest.h>

#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

bool is_handshake(const Datagram& datagram) {
  const auto type = datagram.bytes.empty() ? 0 : std::to_integer<int>(datagram.bytes[0]);
  return type == 0x71 || type == 0x72 || type == 0x73;
}

}  // namespace

TEST_SUITE("sim_key") {
  // Loss hits everything but DATA, so that a missing packet is one that a rekey has lost. Reports
  // are lost, too: now and then that casts suspicion on a path and moves the flows for a moment.
  TEST_CASE("a rekey every 5 s under 5 % loss loses no packet") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}, .rekey_after = 5s});
      REQUIRE(sites.bring_up());
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        const bool data = !datagram.bytes.empty() && datagram.bytes[0] == std::byte{0x74};
        return !data && world.random().chance_ppm(50'000) ? Internet::Verdict::Drop
                                                          : Internet::Verdict::Pass;
      });
      UdpPair flows(sites.scene, 2ms);
      flows.start();
      world.run_for(120s);
      flows.stop();
      world.run_for(500ms);
      CHECK(count_events(sites.branch, EventKind::KeysChanged) >= 20);
      CHECK(count_events(sites.hub, EventKind::KeysChanged) >= 20);
      CHECK(flows.missing() == 0);
      CHECK(flows.up.report().late + flows.down.report().late < 100);
      CHECK(sites.count_all_downs() == 0);
    });
  }

  TEST_CASE("the old keys carry on while no handshake gets through") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}}, .rekey_after = 30s});
      REQUIRE(sites.bring_up());
      bool deaf = true;
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        return deaf && is_handshake(datagram) ? Internet::Verdict::Drop : Internet::Verdict::Pass;
      });
      UdpPair flows(sites.scene, 10ms);
      flows.start();
      const std::size_t changes = count_events(sites.branch, EventKind::KeysChanged);
      world.run_for(150s);
      CHECK(count_events(sites.branch, EventKind::KeysChanged) == changes);
      deaf = false;
      world.run_for(10s);
      flows.stop();
      world.run_for(500ms);
      CHECK(count_events(sites.branch, EventKind::KeysChanged) == changes + 1);
      CHECK(flows.missing() == 0);
      CHECK(sites.count_all_downs() == 0);
    });
  }

  TEST_CASE("keys end after 180 s without a handshake, and a handshake brings the peer back") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}}});
      REQUIRE(sites.bring_up());
      bool deaf = true;
      sites.scene.internet().set_tap([&](Datagram& datagram) {
        return deaf && is_handshake(datagram) ? Internet::Verdict::Drop : Internet::Verdict::Pass;
      });
      world.run_for(175s);
      CHECK(is_peer_up(sites.branch));
      world.run_for(10s);
      CHECK_FALSE(is_peer_up(sites.branch));
      CHECK_FALSE(is_peer_up(sites.hub));
      UdpPair flows(sites.scene, 10ms);
      flows.start();
      world.run_for(5s);
      CHECK(flows.received() == 0);
      deaf = false;
      CHECK(
          world.run_until([&] { return is_peer_up(sites.branch) && is_peer_up(sites.hub); }, 20s));
      world.run_for(1s);
      CHECK(flows.received() > 0);
    });
  }

  TEST_CASE("all keys are changed on all paths at once, whoever began") {
    twice([](World& world) {
      Sites sites(
          world,
          {.accesses = {{.rtt = 20ms}, {.rtt = 300ms}}, .knows = Knows::Both, .rekey_after = 5s});
      sites.scene.start_all();
      world.run_for(2s);
      UdpPair flows(sites.scene, 5ms);
      flows.start();
      world.run_for(60s);
      flows.stop();
      world.run_for(1s);
      CHECK(count_paths(sites.branch, PathState::Up) == 2);
      CHECK(flows.missing() == 0);
      CHECK(sites.count_all_downs() == 0);
    });
  }

  // A box without a clock battery: its time stamps are older than the last one that was accepted.
  TEST_CASE("a branch whose wall clock was set back is let in by the echo of a cookie") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}}});
      REQUIRE(sites.bring_up());
      world.run_for(2s);
      sites.branch.kill();
      sites.branch.clock().shift_wall(-std::chrono::hours(24 * 365));
      const Time again = world.now();
      sites.branch.start();
      const auto both_up = [&] {
        return first_event(sites.branch, EventKind::PeerUp, again) != kNever &&
               first_event(sites.hub, EventKind::PeerUp, again) != kNever;
      };
      CHECK(world.run_until(both_up, 2s));
      UdpPair flows(sites.scene, 10ms);
      flows.start();
      world.run_for(1s);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() == 0);
    });
  }

  TEST_CASE("a wall clock that jumps by an hour under way disturbs nothing") {
    twice([](World& world) {
      Sites sites(world, {.accesses = {{.rtt = 20ms}}, .rekey_after = 10s});
      REQUIRE(sites.bring_up());
      UdpPair flows(sites.scene, 10ms);
      flows.start();
      world.run_for(5s);
      sites.branch.clock().shift_wall(std::chrono::hours(1));
      world.run_for(25s);
      sites.branch.clock().shift_wall(-std::chrono::hours(1));
      world.run_for(60s);
      flows.stop();
      world.run_for(200ms);
      CHECK(flows.missing() == 0);
      CHECK(sites.count_all_downs() == 0);
    });
  }
}
