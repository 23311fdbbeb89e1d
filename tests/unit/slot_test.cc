#include "sched/slot.h"

#include <doctest/doctest.h>

#include "sched/train.h"

using namespace wanbond;

namespace {

SlotArrival arrival(Duration at, Duration delay, ArrivalKind kind = ArrivalKind::Plain) {
  return {at, delay, 1500, kind};
}

}  // namespace

TEST_SUITE("slot") {
  TEST_CASE("a slot closes 5 ms after its first packet and sums up what came") {
    SlotMeter meter;
    meter.on_packet(arrival(100ms, 20ms));
    meter.on_packet(arrival(101ms, 21ms, ArrivalKind::Backlogged));
    meter.on_packet(arrival(104ms, 19ms));
    CHECK(meter.report(101ms).empty());
    meter.on_packet(arrival(105ms, 22ms));
    const auto slots = meter.report(105ms);
    REQUIRE(slots.size() == 1);
    CHECK(slots[0].packets == 3);
    CHECK(slots[0].full_packets == 3);
    CHECK(slots[0].full_bytes == 4500);
    CHECK(slots[0].backlogged_bytes == 1500);
    CHECK(slots[0].first == 100ms);
    CHECK(slots[0].last == 104ms);
    CHECK(slots[0].delay_min == 19ms);
    CHECK(slots[0].delay_mean == 20ms);
    CHECK(slots[0].backlogged_delay_min == 21ms);
    CHECK(slots[0].jump == 1ms);
  }

  TEST_CASE("a report closes a slot that is not very young, and repeats the last four") {
    SlotMeter meter;
    for (int i = 0; i < 6; ++i) meter.on_packet(arrival(i * 10ms, 20ms));
    const auto slots = meter.report(53ms);
    REQUIRE(slots.size() == 4);
    CHECK(slots[0].number == 2);
    CHECK(slots[3].number == 5);
  }

  TEST_CASE("heartbeats and probes count for the delay but not for the rate") {
    SlotMeter meter;
    meter.on_packet({10ms, 20ms, 80, ArrivalKind::Control});
    meter.on_packet({11ms, 18ms, 1500, ArrivalKind::Probe});
    const auto slots = meter.report(20ms);
    REQUIRE(slots.size() == 1);
    CHECK(slots[0].packets == 2);
    CHECK(slots[0].full_packets == 0);
    CHECK(slots[0].delay_min == 18ms);
  }

  TEST_CASE("heartbeats tell the delay of a path only while it is idle") {
    SlotMeter meter;
    meter.on_packet(arrival(0ms, 20ms));
    for (int i = 1; i <= 6; ++i)
      meter.on_packet({i * 20ms, 20ms + i * 1ms, 80, ArrivalKind::Control});
    unsigned quiet = 0;
    for (const SlotReport& slot : meter.report(200ms)) quiet += slot.quiet;
    CHECK(quiet == 3);  // at 80, 100 and 120 ms
  }

  TEST_CASE("what stood still and came at once shows the rate at which it was sent") {
    SlotMeter even, held;
    for (int i = 0; i < 5; ++i) {  // sent each millisecond
      even.on_packet(arrival(10ms + i * 1ms, 20ms));
      held.on_packet(arrival(14ms + i * 10us, 24ms - i * 990us));
    }
    CHECK(even.report(20ms).back().first == 10ms);
    const SlotReport slot = held.report(20ms).back();
    CHECK(slot.last - slot.first == 4ms);
  }

  TEST_CASE("a train tells the rate of the line, also when one packet is late") {
    TrainMeter even, late;
    for (int i = 0; i < 32; ++i) {
      even.on_packet(1s + i * 1ms, 1500);
      late.on_packet(1s + i * 1ms + (i == 31 ? Duration{90ms} : Duration{}), 1500);
    }
    CHECK(even.report().packets == 32);
    CHECK(even.report().rate() == doctest::Approx(1.5e6));
    CHECK(even.report().robust_rate() == doctest::Approx(1.5e6));
    CHECK(late.report().rate() < 0.5e6);
    CHECK(late.report().robust_rate() > 1.1e6);
  }

  TEST_CASE("a train whose beginning stood still somewhere and came at once tells the same rate") {
    TrainMeter held;
    for (int i = 0; i < 32; ++i) held.on_packet(1s + std::max(i, 12) * 1ms, 1500);
    CHECK(held.report().span == 19ms);
    CHECK(held.report().rate() == doctest::Approx(1.5e6));
  }

  TEST_CASE("a silence of 150 ms begins a new train") {
    TrainMeter meter;
    CHECK(meter.report().number == 0);
    meter.on_packet(1s, 1500);
    meter.on_packet(1s + 1ms, 1500);
    meter.on_packet(2s, 1500);
    CHECK(meter.report().number == 2);
    CHECK(meter.report().packets == 1);
    CHECK(meter.report().rate() == 0);
  }
}
