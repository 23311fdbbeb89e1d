// The Checker itself: each promise, when broken, is found; what is allowed, is not.
#include "tests/sim/checker.h"

#include <doctest/doctest.h>

#include "tests/sim/scene.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

constexpr unsigned kA = 0;
constexpr unsigned kB = 1;

ByteString packet(std::uint8_t number) {
  return make_udp(talk(kA, kB), std::array{std::byte{number}, std::byte{7}});
}

// type | cid | packet number, and a filler.
Datagram sealed(std::uint32_t type, std::uint32_t cid, std::uint32_t number) {
  ByteString bytes(40);
  ByteWriter writer(bytes);
  writer.u32(type | cid << 8);
  writer.u32(number);
  return {{}, {}, 0, bytes};
}

Datagram handshake(std::uint32_t cid_base, std::uint8_t ephemeral) {
  Datagram datagram = sealed(0x171, 0, cid_base);
  datagram.bytes.resize(176);
  datagram.bytes[8] = std::byte{ephemeral};
  return datagram;
}

}  // namespace

TEST_SUITE("sim_checker") {
  TEST_CASE("a packet that comes out twice, changed, or from nowhere is found") {
    World world(1);
    Checker checker(world);
    checker.on_lan_in(kA, packet(1));
    checker.on_lan_out(kB, packet(1));
    CHECK(checker.violations().empty());
    checker.on_lan_out(kB, packet(1));
    CHECK(checker.violations().size() == 1);
    checker.on_lan_in(kA, packet(2));
    ByteString changed = packet(2);
    changed.back() ^= std::byte{1};
    checker.on_lan_out(kB, changed);
    CHECK(checker.violations().size() == 2);
  }

  TEST_CASE("packets of a flow that change places are found, unless the path was changed") {
    World world(1);
    Checker checker(world);
    const auto send = [&](std::uint8_t number) {
      checker.on_lan_in(kA, packet(number));
      world.run_for(1ms);
    };
    for (std::uint8_t early = 8; early < 10; ++early) {  // which may have copies
      send(early);
      checker.on_lan_out(kB, packet(early));
    }
    send(1);
    send(2);
    checker.on_lan_out(kB, packet(2));
    checker.on_lan_out(kB, packet(1));
    CHECK(checker.violations().size() == 1);
    send(3);
    checker.on_event(kA, {.kind = EventKind::PathSelected});
    send(4);
    checker.on_lan_out(kB, packet(4));
    checker.on_lan_out(kB, packet(3));
    CHECK(checker.violations().size() == 1);
  }

  TEST_CASE("a nonce that is used twice is found, until a handshake names a new key") {
    World world(1);
    Checker checker(world);
    const auto count = [&] { return checker.violations().size(); };
    checker.on_datagram_out(kB, kA, handshake(0x40, 1));
    checker.on_datagram_out(kA, kB, sealed(0x74, 0x41, 0));
    checker.on_datagram_out(kA, kB, sealed(0x75, 0x41, 1));
    checker.on_datagram_out(kA, kB, sealed(0x75, 0x42, 0));  // another path
    checker.on_datagram_out(kA, kB, sealed(0x75, 0x81, 0));  // another key
    checker.on_datagram_out(kB, kA, sealed(0x75, 0x41, 0));  // another direction
    CHECK(count() == 0);
    checker.on_datagram_out(kA, kB, sealed(0x74, 0x41, 1));
    CHECK(count() == 1);
    checker.on_datagram_out(kB, kA, handshake(0x40, 1));  // the same message again
    checker.on_datagram_out(kA, kB, sealed(0x74, 0x41, 0));
    CHECK(count() == 2);
    checker.on_datagram_out(kB, kA, handshake(0x40, 2));
    checker.on_datagram_out(kA, kB, sealed(0x74, 0x41, 0));
    CHECK(count() == 2);
  }

  TEST_CASE("packets that vanish without a reason are found") {
    World world(1);
    Checker checker(world);
    NodeStatus status;
    checker.on_start(kA);
    checker.on_lan_in(kA, packet(1));
    checker.on_lan_in(kA, packet(2));
    checker.on_datagram_out(kA, kB, sealed(0x74, 0x41, 0));
    status.drops.add(DropReason::NoPath);
    checker.on_end(kA, status);
    CHECK(checker.violations().empty());
    checker.on_end(kA, {});
    CHECK(checker.violations().size() == 1);
    checker.on_start(kB);
    checker.on_datagram_in(kB, sealed(0x74, 0x41, 0));
    checker.on_end(kB, {});
    CHECK(checker.violations().size() == 2);
  }

  TEST_CASE("data into an old outage, busy timers and lost buffers are found") {
    World world(1);
    Checker checker(world);
    checker.limits() = {
        .timer_calls_per_second_max = 3, .dead_path_use_max = 100ms, .buffers_held_max = 4};
    world.run_for(200ms);
    checker.on_outage_use(sealed(0x74, 0, 0), world.now() - 100ms);
    checker.on_outage_use(sealed(0x75, 0, 0), world.now() - 150ms);
    checker.on_buffers(kA, 4);
    for (int i = 0; i < 3; ++i) checker.on_timer_call(kA);
    CHECK(checker.violations().empty());
    checker.on_outage_use(sealed(0x74, 0, 0), world.now() - 101ms);
    checker.on_buffers(kA, 5);
    checker.on_timer_call(kA);
    CHECK(checker.violations().size() == 3);
  }
}
