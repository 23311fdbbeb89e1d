// When a flow leaves a working path for a better one, and when its packets are put in order.
#include "sched/handoff.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

struct Flowing {
  Time now{10s};
  HandoffState state = {};
  HandoffStep packet(Duration gap, Duration lead) {
    now += gap;
    return hand_off(now, gap, lead, state);
  }
  bool is_ordered() const { return is_handed_off(now, state); }
};

}  // namespace

TEST_SUITE("handoff") {
  TEST_CASE("in a gap longer than the delay difference a flow goes at once, without an order") {
    for (const Duration lead : {Duration(20ms), Duration(0ms), Duration(-4ms)}) {
      Flowing flow;
      CHECK(flow.packet(lead + 5ms, lead) == HandoffStep::Go);
      CHECK_FALSE(flow.is_ordered());
    }
    Flowing flow;
    CHECK(flow.packet(1us, -30ms) == HandoffStep::Go);  // nothing can be overtaken
    CHECK_FALSE(flow.is_ordered());
  }

  TEST_CASE("a flow without gaps is put in order, goes, and is put in order for as long again") {
    Flowing flow;
    const Time begin = flow.now + 1ms;
    while (flow.packet(1ms, 20ms) == HandoffStep::Stay) REQUIRE(flow.is_ordered());
    CHECK(flow.now - begin == 120ms);
    flow.now += 119ms;
    CHECK(flow.is_ordered());
    flow.now += 1ms;
    CHECK_FALSE(flow.is_ordered());
    CHECK(flow.packet(1ms, 20ms) == HandoffStep::Stay);  // the next time begins anew
  }

  TEST_CASE("a gap that comes while a flow is put in order is taken") {
    Flowing flow;
    CHECK(flow.packet(1ms, 20ms) == HandoffStep::Stay);
    CHECK(flow.packet(25ms, 20ms) == HandoffStep::Go);
    CHECK(flow.is_ordered());  // still, what it has begun
  }

  TEST_CASE(
      "however slow the flow, the receiver sees a number by the old path before one overtakes") {
    for (const Duration gap : {Duration(30ms), Duration(150ms), Duration(299ms)}) {
      Flowing flow;
      CHECK(flow.packet(gap, 300ms) == HandoffStep::Stay);
      const Time first = flow.now + 300ms;  // its arrival, by the new path's delay
      while (flow.packet(gap, 300ms) == HandoffStep::Stay) {
      }
      CHECK(flow.now >= first);
    }
  }
}
