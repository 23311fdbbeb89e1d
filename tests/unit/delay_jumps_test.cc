#include "sched/delay_jumps.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

/// `count` spans of 20 ms, every `nth` with a jump of `large`, the others with one of `small`.
Time feed(DelayJumps& jumps, Time now, int count, int nth, Duration large, Duration small = 0ms) {
  for (int i = 1; i <= count; ++i, now += 20ms) {
    jumps.on_jump(now, small);
    jumps.on_jump(now + 1ms, i % nth == 0 ? large : -5ms);
  }
  return now;
}

}  // namespace

TEST_SUITE("delay_jumps") {
  TEST_CASE("a steady path has no tail, a jittery one that of its rarest hundredth") {
    DelayJumps steady, one_in_50, one_in_200;
    feed(steady, Time{1s}, 1000, 10, 3ms);
    CHECK(steady.tail() == 0ms);
    feed(one_in_50, Time{1s}, 1000, 50, 42ms, 6ms);
    CHECK(one_in_50.tail() == 44ms);
    feed(one_in_200, Time{1s}, 1000, 200, 42ms, 6ms);
    CHECK(one_in_200.tail() == 8ms);
  }

  TEST_CASE("three jumps say nothing, a fourth one does") {
    DelayJumps jumps;
    Time now = feed(jumps, Time{1s}, 61, 20, 50ms);
    CHECK(jumps.tail() == 0ms);
    now = feed(jumps, now, 21, 20, 50ms);
    CHECK(jumps.tail() == 52ms);
  }

  TEST_CASE("a busy path does not dilute its jumps") {
    DelayJumps jumps;
    Time now{1s};
    for (int i = 0; i < 100'000; ++i, now += 100us) jumps.on_jump(now, i % 2000 == 0 ? 30ms : 0ms);
    CHECK(jumps.tail() == 32ms);  // one in ten spans of 20 ms, one in 2000 packets
  }

  TEST_CASE("jumps are forgotten after 30 to 60 s, or a long silence") {
    DelayJumps jumps;
    Time now = feed(jumps, Time{1s}, 500, 10, 100ms);
    CHECK(jumps.tail() == 104ms);
    now = feed(jumps, now, 1000, 10, 0ms);
    CHECK(jumps.tail() > 0ms);
    now = feed(jumps, now, 2200, 10, 0ms);
    CHECK(jumps.tail() == 0ms);
    now = feed(jumps, now, 500, 10, 100ms);
    CHECK(jumps.tail() == 104ms);
    feed(jumps, now + 100s, 3, 1, 0ms);
    CHECK(jumps.tail() == 0ms);
  }

  TEST_CASE("what is off the scale counts as its end") {
    DelayJumps jumps;
    feed(jumps, Time{1s}, 100, 5, 10s);
    CHECK(jumps.tail() == 256ms);
  }
}
