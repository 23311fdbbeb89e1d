#include <doctest/doctest.h>

#include <array>

#include "sched/ack_hold.h"
#include "sched/flow_mode.h"
#include "sched/hold_plan.h"

using namespace wanbond;

TEST_SUITE("hold") {
  TEST_CASE("an acknowledgement leaves a constant round trip after the data that it answers") {
    AckHold hold;
    Time sent{1s};
    for (std::uint32_t i = 0; i < 40; ++i, sent += 1ms)
      hold.on_sent(sent, 1000 * i, 1000 * (i + 1));
    // The 30th kilobyte left at 1.029 s; the grid is 2.5 ms.
    CHECK(hold.release(Time{1s} + 60ms, 30'000, 100ms) == Time{1s} + 130ms);
    CHECK(hold.release(Time{1s} + 60ms, 31'000, 100ms) == Time{1s} + 130ms);
    CHECK(hold.release(Time{1s} + 300ms, 35'000, 100ms) == Time{1s} + 300ms);
    CHECK(hold.release(Time{1s} + 300ms, 36'000, 0ms) == Time{1s} + 300ms);
  }

  TEST_CASE("acknowledgements keep their order when the round trip shrinks") {
    AckHold hold;
    for (std::uint32_t i = 0; i < 40; ++i)
      hold.on_sent(Time{1s} + i * 1ms, 1000 * i, 1000 * (i + 1));
    const Time first = hold.release(Time{1s} + 50ms, 30'000, 200ms);
    CHECK(hold.release(Time{1s} + 51ms, 31'000, 20ms) == first);
  }

  TEST_CASE("what the host sends again does not move its time") {
    AckHold hold;
    for (std::uint32_t i = 0; i < 40; ++i)
      hold.on_sent(Time{1s} + i * 1ms, 1000 * i, 1000 * (i + 1));
    hold.on_sent(Time{1s} + 90ms, 29'000, 30'000);
    CHECK(hold.release(Time{1s} + 91ms, 30'000, 100ms) == Time{1s} + 130ms);
  }

  TEST_CASE("sequence numbers may wrap") {
    AckHold hold;
    std::uint32_t at = ~0U - 20'000;
    for (std::uint32_t i = 0; i < 40; ++i, at += 1000)
      hold.on_sent(Time{1s} + i * 1ms, at, at + 1000);
    CHECK(hold.release(Time{1s} + 60ms, at - 10'000, 100ms) == Time{1s} + 130ms);
  }

  TEST_CASE("a longer path joins the held set when 10 s of the flow gain from it") {
    const std::array<HoldOutlook, 2> near{{{0, 20ms, 15ms, 5e6, 0}, {1, 60ms, 55ms, 5e6, 0}}};
    HoldPlan plan;
    plan.update(Time{1s}, near, 20ms);
    CHECK(plan.paths() == 0b11);
    CHECK(plan.round_trip() == 82ms);
    CHECK(plan.arrival() == 55ms);
    const std::array<HoldOutlook, 2> far{{{0, 20ms, 15ms, 5e6, 0}, {1, 900ms, 900ms, 1e6, 0}}};
    plan.update(Time{2s}, far, 20ms);
    CHECK(plan.paths() == 0b01);
  }

  TEST_CASE("the held set is frozen for a flow that begins, but a lossy far path leaves at once") {
    const std::array<HoldOutlook, 2> good{{{0, 20ms, 15ms, 5e6, 0}, {1, 60ms, 55ms, 2e6, 0}}};
    std::array<HoldOutlook, 2> bad = good;
    HoldPlan plan;
    plan.update(Time{1s}, good, 0ms);
    plan.freeze_until(Time{6s});
    bad[1].hold = 2s;
    plan.update(Time{2s}, bad, 0ms);
    CHECK(plan.paths() == 0b11);
    bad[1].loss = 0.01;
    plan.update(Time{3s}, bad, 0ms);
    CHECK(plan.paths() == 0b01);
  }

  TEST_CASE("a flow that begins alone is held, one beside another is not") {
    FlowModes modes;
    CHECK(modes.on_packet(Time{1s}, 1, 1500));
    CHECK(modes.is_held(Time{1s}, 1));
    for (int i = 0; i < 100; ++i) modes.on_packet(Time{1s} + i * 1ms, 1, 1500);
    CHECK_FALSE(modes.on_packet(Time{1s} + 200ms, 2, 1500));
    CHECK_FALSE(modes.is_held(Time{1s} + 200ms, 2));
    CHECK_FALSE(modes.is_held(Time{17s}, 1));
    FlowModes web;
    web.set_start(FlowStart::Web);
    CHECK_FALSE(web.on_packet(Time{1s}, 1, 1500));
  }

  TEST_CASE("a flow that stays at its fastest path for 4 s is held too") {
    FlowModes modes;
    modes.set_start(FlowStart::Web);
    Time now{1s};
    for (; now < Time{4s}; now += 1ms) {
      modes.on_packet(now, 1, 1500);  // 1.5 MB/s
      modes.review(now, 1, 3000, {.fastest = 1.6e6, .sum = 3e6});
    }
    CHECK_FALSE(modes.is_held(now, 1));
    for (; now < Time{6s}; now += 1ms) {
      modes.on_packet(now, 1, 1500);
      modes.review(now, 1, 3000, {.fastest = 1.6e6, .sum = 3e6});
    }
    CHECK(modes.is_held(now, 1));
  }
}
