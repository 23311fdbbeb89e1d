#include "arrival_clock.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

/// A turn that reads the sockets in no time.
void turn(ArrivalClock& clock, Time now, WallTime wall) {
  clock.on_turn(now, wall);
  clock.on_read(now);
}

WallTime wall(Duration since_1970) { return {since_1970.count()}; }

}  // namespace

TEST_SUITE("arrival_clock") {
  TEST_CASE("a datagram that waited came when the kernel says") {
    ArrivalClock clock;
    turn(clock, Time{10s}, wall(1000s));
    clock.on_drained();
    turn(clock, Time{10s} + 40ms, wall(1000s + 40ms));
    CHECK(clock.at(wall(1000s + 15ms)) == Time{10s} + 15ms);
    CHECK(clock.at(wall(1000s + 40ms)) == Time{10s} + 40ms);
  }

  TEST_CASE("a wall clock that is set meanwhile moves nothing out of the time between two turns") {
    ArrivalClock clock;
    turn(clock, Time{10s}, wall(1000s));
    clock.on_drained();
    for (const Duration set : {-3600s, 3600s}) {
      turn(clock, Time{10s} + 20ms, wall(1000s + 20ms + set));
      CHECK(clock.at(wall(1000s + 10ms)) >= Time{10s});
      CHECK(clock.at(wall(1000s + 10ms)) <= Time{10s} + 20ms);
    }
  }

  TEST_CASE("what a turn has left unread may be older than that turn") {
    ArrivalClock clock;
    turn(clock, Time{10s}, wall(1000s));
    clock.on_drained();
    turn(clock, Time{10s} + 20ms, wall(1000s + 20ms));
    turn(clock, Time{10s} + 30ms, wall(1000s + 30ms));
    CHECK(clock.at(wall(1000s + 12ms)) == Time{10s} + 12ms);
  }

  TEST_CASE("without a stamp, and with one of later, it came now") {
    ArrivalClock clock;
    turn(clock, Time{10s}, wall(1000s));
    CHECK(clock.at({}) == Time{10s});
    CHECK(clock.at(wall(1000s + 1ms)) == Time{10s});
  }

  TEST_CASE("what comes while a turn is held up before the sockets came then") {
    ArrivalClock clock;
    clock.on_turn(Time{10s}, wall(1000s));
    clock.on_read(Time{10s} + 15ms);
    CHECK(clock.at(wall(1000s + 5ms)) == Time{10s} + 5ms);
    CHECK(clock.at(wall(1000s + 25ms)) == Time{10s} + 15ms);
  }
}
