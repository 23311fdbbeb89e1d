#include "sched/cross_traffic.h"

#include <doctest/doctest.h>

#include <array>

using namespace wanbond;

namespace {

/// Paths fed with slots that say what a line would; `rates` are what each delivers.
struct Rig {
  std::array<PathModel, 2> models;
  std::array<RateController, 2> rates{};
  CrossTraffic cross;
  Time now{1s};
  std::uint16_t slot = 0;
  std::uint32_t packets = 0, lost = 0;

  Rig() {
    for (RateController& rate : rates) rate.remember(12.5e6);
  }
  /// 10 ms of a backlogged path with this queue and rate.
  void step(std::size_t id, Duration queue, double delivered) {
    PathModel& model = models[id];
    const Duration at = now.time_since_epoch();
    SlotReport report;
    report.number = ++slot;
    report.packets = report.full_packets = 10;
    report.first_bytes = 1500;
    report.first = at - 10ms;
    report.last = report.end = at;
    report.full_bytes = static_cast<std::uint32_t>(delivered * 0.01);
    report.backlogged_bytes = report.full_bytes;
    report.delay_min = report.delay_mean = report.backlogged_delay_min = 10ms + queue;
    model.on_slot(now, report);
    packets += 10;
    model.on_counts(packets + lost, packets);
    model.on_report({.now = now, .written = at, .reverse = 10ms, .capacity = 12.5e6});
    rates[id].on_report(now, model);
    const std::array<CrossView, 2> views{
        {{&models[0], &rates[0], 1e6}, {&models[1], &rates[1], 1e6}}};
    cross.on_report(now, static_cast<std::uint8_t>(id), views);
  }
  void idle(Duration time) {
    for (const Time end = now + time; now < end; now += 10ms)
      for (std::size_t i = 0; i < 2; ++i) step(i, 0ms, 12e6);
  }
  /// A queue that stands on path 0 until it is tested; true if it is.
  bool is_tested(Duration queue, double delivered = 4e6) {
    for (int i = 0; i < 100 && !cross.is_testing(0); ++i, now += 10ms) {
      step(0, queue, delivered);
      step(1, 2ms, 12e6);
    }
    return cross.is_testing(0);
  }
  void finish(double delivered, double other) {
    for (int i = 0; i < 100 && cross.is_testing(0); ++i, now += 10ms) {
      step(1, 2ms, other);
      step(0, 20ms, delivered);
    }
  }
};

}  // namespace

TEST_SUITE("cross traffic") {
  TEST_CASE("a path with our own small queue is never tested") {
    Rig rig;
    rig.idle(3s);
    CHECK_FALSE(rig.is_tested(2ms, 12e6));
  }

  TEST_CASE("a queue that stays is tested, and who gains competes") {
    Rig rig;
    rig.idle(1s);
    REQUIRE(rig.is_tested(20ms));
    rig.finish(5.5e6, 12e6);
    CHECK(rig.cross.is_competing(0));
    CHECK(rig.cross.window_bytes(0) > 30'000);
    CHECK_FALSE(rig.cross.is_grouped(0));
  }

  TEST_CASE("who gains nothing is alone: the rate has fallen") {
    Rig rig;
    rig.idle(1s);
    REQUIRE(rig.is_tested(20ms));
    rig.finish(4e6, 12e6);
    CHECK_FALSE(rig.cross.is_competing(0));
    CHECK_FALSE(rig.is_tested(20ms));  // not again for 5 s
  }

  TEST_CASE("what another path of ours loses meanwhile is no competitor's") {
    Rig rig;
    rig.idle(1s);
    REQUIRE(rig.is_tested(20ms));
    rig.finish(5.5e6, 10.4e6);
    CHECK_FALSE(rig.cross.is_competing(0));
    CHECK(rig.cross.is_grouped(0));
    CHECK(rig.cross.is_grouped(1));
  }

  TEST_CASE("competing ends when the queue is gone, and its window falls with a loss") {
    Rig rig;
    rig.idle(1s);
    REQUIRE(rig.is_tested(20ms));
    rig.finish(5.5e6, 12e6);
    REQUIRE(rig.cross.is_competing(0));
    const double before = rig.cross.window_bytes(0);
    rig.now += 100ms;
    rig.lost = 5;
    rig.step(0, 20ms, 5e6);
    CHECK(rig.cross.window_bytes(0) == doctest::Approx(0.7 * before).epsilon(0.15));
    for (int i = 0; i < 60; ++i, rig.now += 10ms) rig.step(0, 0ms, 5e6);
    CHECK_FALSE(rig.cross.is_competing(0));
  }
}
