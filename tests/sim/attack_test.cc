// Scenarios of attack: bad datagrams are dropped, counted and never answered; a flood of
// handshakes costs nobody his session.
#include <doctest/doctest.h>

#include "tests/sim/attacker.h"
#include "tests/sim/sites.h"
#include "tests/sim/twice.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

std::uint64_t count_drops(const Host& host) {
  const NodeStatus status = host.status();
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kDropReasonCount; ++i)
    sum += status.drops.of(static_cast<DropReason>(i));
  return sum;
}

// Sends `count` of one kind to the hub at an even pace over `span`, while a flow runs.
void attack(World& world, Attacker& attacker, Attacker::Stimulus stimulus, int count) {
  for (int i = 0; i < count; ++i) {
    attacker.send(stimulus, wan_endpoint(kHub, 0));
    if (i % 20 == 19) world.run_for(2ms);
  }
}

}  // namespace

TEST_SUITE("sim_attack") {
  TEST_CASE("100,000 bad datagrams get no answer, change nothing and are counted") {
    constexpr int kEach = 100'000 / static_cast<int>(Attacker::Stimulus::Count);
    for (int kind = 0; kind < static_cast<int>(Attacker::Stimulus::Count); ++kind) {
      CAPTURE(kind);
      twice([&](World& world) {
        Sites sites(world, {.accesses = {{.rtt = 20ms}, {.rtt = 40ms}}});
        Attacker attacker(sites.scene);
        REQUIRE(sites.bring_up());
        UdpPair flows(sites.scene, 5ms);
        flows.start();
        world.run_for(1s);
        attacker.stop_recording();
        world.run_for(10s);  // past the cache of handshake answers
        const Time begin = world.now();
        const std::uint64_t drops = count_drops(sites.hub) + count_drops(sites.branch);
        attack(world, attacker, static_cast<Attacker::Stimulus>(kind), kEach);
        world.run_for(100ms);
        CHECK(count_drops(sites.hub) + count_drops(sites.branch) - drops >= attacker.sent_count());
        CHECK(attacker.received_bytes() <= attacker.sent_bytes());
        CHECK(attacker.received_count() <= 20);  // a replayed HS_INIT may get a cookie a second
        CHECK(count_events(sites.hub, EventKind::PathMoved) == 0);
        CHECK(count_events(sites.hub, EventKind::KeysChanged, begin) == 0);
        CHECK(sites.count_all_downs(begin) == 0);
        flows.stop();
        world.run_for(500ms);
        CHECK(flows.missing() == 0);
      });
    }
  }

  TEST_CASE("a flood of 50,000 handshakes a second harms no session and lets a new peer in") {
    twice([](World& world) {
      Scene scene(world);
      add_star(scene, 2);
      Attacker attacker(scene);
      attacker.stop_recording();
      scene.host(0).start();
      scene.host(1).start();
      REQUIRE(world.run_until([&] { return is_peer_up(scene.host(0), 0); }, 3s));
      UdpFlow flow(world, scene.host(1).lan(), scene.host(0).lan(),
                   {.who = talk(1, 0), .interval = 2ms});
      flow.start();
      world.run_for(500ms);
      const GuardKeys guard = GuardKeys::of(scene.host(1).plan().node.peers[0].public_key, {});
      Time joined = kNever;
      for (int ms = 0; ms < 3500; ++ms) {
        for (int i = 0; i < 50 && ms < 2000; ++i) attacker.send_flood(guard, wan_endpoint(0, 0));
        if (ms == 500) scene.host(2).start();
        world.run_for(1ms);
        if (joined == kNever && is_peer_up(scene.host(0), 1)) joined = world.now();
      }
      CHECK(joined != kNever);
      flow.stop();
      world.run_for(200ms);
      CHECK(flow.missing() == 0);
      CHECK(count_downs(scene.host(0)) == 0);
    });
  }
}
