#include <doctest/doctest.h>

#include <algorithm>
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

  TEST_CASE("what the host sends again has the same round trip, and so has all behind it") {
    AckHold hold;
    for (std::uint32_t i = 0; i < 40; ++i)
      hold.on_sent(Time{1s} + i * 1ms, 1000 * i, 1000 * (i + 1));
    hold.on_sent(Time{1s} + 90ms, 29'000, 30'000);
    CHECK(hold.release(Time{1s} + 91ms, 30'000, 100ms) == Time{1s} + 190ms);
    CHECK(hold.release(Time{1s} + 192ms, 40'000, 100ms) == Time{1s} + 192500us);
  }

  TEST_CASE("an acknowledgement of what was never noted does not wait") {
    AckHold hold(HoldFrom::Midst);
    CHECK(hold.release(Time{1s}, 5'000, 100ms) == Time{1s});
    for (std::uint32_t i = 10; i < 40; ++i)
      hold.on_sent(Time{1s} + i * 1ms, 1000 * i, 1000 * (i + 1));
    CHECK(hold.release(Time{1s} + 50ms, 10'000, 100ms) == Time{1s} + 50ms);
    CHECK(hold.release(Time{1s} + 50ms, 12'000, 100ms) == Time{1s} + 112500us);
  }

  TEST_CASE("a flow of more than 2 GB is held to its end") {
    AckHold hold;
    std::uint32_t at = 0;
    Time now{1s};
    for (int i = 0; i < 40; ++i, at += 100'000'000, now += 1s) {
      hold.on_sent(now, at, at + 100'000'000);
      const Time due = hold.release(now + 10ms, at + 100'000'000, 100ms);
      CHECK(due >= now + 100ms);
      CHECK(due <= now + 102500us);
    }
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

  TEST_CASE("while a held flow lives no path leaves the set and the round trip stays") {
    const std::array<HoldOutlook, 2> good{{{0, 20ms, 15ms, 5e6, 0}, {1, 60ms, 55ms, 2e6, 0}}};
    std::array<HoldOutlook, 2> poor = good;
    poor[1].hold = 50ms;
    poor[1].capacity = 1e5;  // the flow does not fill it now
    HoldPlan plan;
    plan.update(Time{1s}, good, 0ms);
    const Duration first = plan.round_trip();
    plan.keep_until(Time{10s});
    for (Time now{2s}; now < Time{10s}; now += 100ms) plan.update(now, poor, 0ms);
    CHECK(plan.paths() == 0b11);
    CHECK(plan.round_trip() == first);
    poor[1].hold = 200ms;  // repairs, say
    plan.update(Time{9s}, poor, 0ms);
    CHECK(plan.round_trip() <= first + 8ms);
    poor[1].hold = 50ms;
    plan.update(Time{11s}, poor, 0ms);
    CHECK(plan.paths() == 0b01);
    CHECK(plan.round_trip() < first);
  }

  TEST_CASE("while a held flow lives no path joins that makes the round trip much longer") {
    std::array<HoldOutlook, 2> paths{{{0, 20ms, 15ms, 5e6, 0}, {1, 60ms, 55ms, 1e5, 0}}};
    HoldPlan plan;
    plan.update(Time{1s}, paths, 0ms);
    REQUIRE(plan.paths() == 0b01);
    const Duration first = plan.round_trip();
    plan.freeze_until(Time{6s});
    plan.keep_until(Time{10s});
    paths[1].capacity = 5e6;  // it was not known before
    plan.update(Time{7s}, paths, 0ms);
    CHECK(plan.paths() == 0b01);
    CHECK(plan.round_trip() == first);
    HoldPlan bereft = plan;
    bereft.update(Time{8s}, std::span(paths).last(1), 0ms);  // its only path is gone
    CHECK(bereft.paths() == 0b10);
    CHECK(bereft.round_trip() >= 60ms);
    paths[1].hold = 24ms;
    plan.update(Time{8s}, paths, 0ms);
    CHECK(plan.paths() == 0b11);
    CHECK(plan.round_trip() <= first * 5 / 4);
  }

  TEST_CASE("flows are held that were asked for; the plan is frozen for one that begins alone") {
    FlowModes modes;
    CHECK_FALSE(modes.on_packet(Time{1s}, 1));
    CHECK(modes.recent().empty());
    CHECK(modes.set_hold(2, FlowHold::Yes));
    CHECK_FALSE(modes.set_hold(2, FlowHold::Yes));
    CHECK(modes.on_packet(Time{1s}, 2));
    CHECK(modes.is_held(2));
    CHECK(modes.recent().size() == 1);
    for (int i = 0; i < 100; ++i) CHECK_FALSE(modes.on_packet(Time{1s} + i * 1ms, 2));
    modes.set_hold(3, FlowHold::Yes);
    CHECK_FALSE(modes.on_packet(Time{1s} + 200ms, 3));
    CHECK(modes.recent().size() == 2);
    CHECK(modes.set_hold(2, FlowHold::No));
    CHECK_FALSE(modes.is_held(2));
  }

  TEST_CASE("a new held flow takes the place of one that is silent in the list") {
    FlowModes modes;
    for (std::uint16_t flow = 0; flow < FlowModes::kRecentMax + 1; ++flow) {
      modes.set_hold(flow, FlowHold::Yes);
      modes.on_packet(Time{1s} + flow * 1ms, flow);
    }
    const auto has = [&](std::uint16_t flow) {
      const auto list = modes.recent();
      return std::find(list.begin(), list.end(), flow) != list.end();
    };
    CHECK_FALSE(has(FlowModes::kRecentMax));
    modes.set_hold(100, FlowHold::Yes);
    modes.on_packet(Time{2s}, 100);
    CHECK(has(100));
    CHECK_FALSE(has(0));
  }
}
