// PathMeter and PeerClock (core): what the receiving side saw in time, over the wire, as the
// sending side reads it.
#include "core/path_meter.h"

#include <doctest/doctest.h>

#include <vector>

#include "core/peer_clock.h"
#include "proto/feedback_block.h"
#include "proto/wire.h"

using namespace wanbond;

namespace {

constexpr Duration kUnit = kStampUnit;

/// A receiver whose clock is ahead of the sender's by `offset`, and what its reports say.
struct Ends {
  explicit Ends(Duration offset) : offset_(offset) {}

  /// A packet that leaves at `sent` by the sender's clock and is `delay` under way.
  void packet(Time sent, Duration delay, std::uint32_t bytes,
              ArrivalKind kind = ArrivalKind::Plain) {
    meter.on_packet(sent + delay + offset_, wire_stamp(sent), bytes, kind);
  }
  /// What the sender reads of a report written at `written` and heard 10 ms later; its clock.
  void report(Time written) {
    std::vector<std::byte> bytes(1024);
    ByteWriter writer(bytes);
    meter.write_blocks(written + offset_, writer);
    REQUIRE(writer.ok());
    FeedbackFrame frame;
    frame.blocks = writer.written();
    heard = clock.on_stamp(written + 10ms, wire_stamp(written + offset_));
    slots.clear();
    for (const WireSlot& wire : slots_of(frame)) slots.push_back(clock.slot(wire));
    const auto wire = train_of(frame);
    train = wire ? clock.train(*wire) : TrainReport{};
  }

  Duration offset_;
  PathMeter meter;
  PeerClock clock;
  std::vector<SlotReport> slots{};
  TrainReport train{};
  Duration heard{};
};

void check_near(Duration value, Duration wanted, Duration tolerance = 2 * kUnit) {
  CHECK(value <= wanted + tolerance);
  CHECK(value >= wanted - tolerance);
}

}  // namespace

TEST_SUITE("path meter and peer clock") {
  TEST_CASE("a slot comes over the wire as it was measured") {
    Ends ends(1234ms);
    const Time start{100s};
    for (int i = 0; i < 4; ++i)
      ends.packet(start + i * 1ms, 20ms + i * 200us, 1400, ArrivalKind::Backlogged);
    ends.packet(start + 4ms, 20ms, 80, ArrivalKind::Control);
    ends.report(start + 30ms);
    REQUIRE(ends.slots.size() == 1);
    const SlotReport& slot = ends.slots[0];
    CHECK(slot.packets == 5);
    CHECK(slot.full_packets == 4);
    CHECK(slot.full_bytes == 5600);
    CHECK(slot.backlogged_bytes == 5600);
    CHECK(slot.first_bytes == 1400);
    check_near(slot.last - slot.first, 3600us);
    check_near(slot.backlogged_delay_min, slot.delay_min);
    check_near(slot.delay_mean - slot.delay_min, 240us);
    check_near(slot.jump, 200us);
  }

  TEST_CASE("times of the peer's clock go on over the wrap of the stamps") {
    Ends ends(-777s);
    const Time start{2000s};
    ends.report(start);
    const Duration first = ends.heard;
    for (int i = 1; i <= 20; ++i) {  // a wrap lasts 2.1 s
      ends.packet(start + i * 700ms - 15ms, 10ms, 1400);
      ends.report(start + i * 700ms);
      check_near(ends.heard - first, i * Duration{700ms});
      REQUIRE_FALSE(ends.slots.empty());
      check_near(ends.heard - ends.slots.back().end, 5ms);
    }
  }

  TEST_CASE("a clock that runs away by 100 ppm is followed") {
    PeerClock clock;
    Duration written{};
    Duration first{};
    for (int i = 0; i <= 36'000; ++i) {  // an hour
      const Time now = Time{1s} + i * Duration{100ms};
      const Duration theirs = now.time_since_epoch() + i * Duration{10us};
      written = clock.on_stamp(now, wire_stamp(Time{theirs}));
      if (i == 0) first = written;
      if (i % 6000 == 0) check_near(written - first, i * (Duration{100ms} + Duration{10us}), kUnit);
    }
  }

  TEST_CASE("delays of two paths differ by what they differ, whatever the clocks") {
    for (const Duration offset : {Duration{}, Duration{1071ms}, Duration{-1075ms}, Duration{5s}}) {
      Ends near(offset), far(offset);
      far.clock = near.clock;
      for (int i = 0; i < 30; ++i) {
        const Time sent = Time{50s} + i * 10ms;
        near.packet(sent, 5ms, 1400);
        far.packet(sent, 255ms, 1400);
      }
      near.report(Time{51s});
      far.report(Time{51s});
      REQUIRE_FALSE(near.slots.empty());
      REQUIRE_FALSE(far.slots.empty());
      check_near(far.slots.back().delay_min - near.slots.back().delay_min, 250ms);
    }
  }

  TEST_CASE("a delay that grows by more than half a wrap in small steps is still told apart") {
    Ends ends(0s);
    for (int i = 0; i <= 130; ++i) ends.packet(Time{10s} + i * 20ms, i * 10ms, 1400);
    ends.report(Time{10s} + 130 * 30ms);
    REQUIRE(ends.slots.size() >= 2);
    const SlotReport& last = ends.slots.back();
    check_near(last.delay_min - ends.slots[ends.slots.size() - 2].delay_min, 10ms);
  }

  TEST_CASE("a train tells the rate at which it came out") {
    Ends ends(42s);
    const Time start{7s};
    for (int i = 0; i < 10; ++i)
      ends.packet(start, 10ms + i * 4096us, 512, ArrivalKind::Probe);  // 1 Mbit/s
    ends.report(start + 100ms);
    CHECK(ends.train.number == 1);
    CHECK(ends.train.packets == 10);
    CHECK(ends.train.bytes == 512);
    CHECK(ends.train.rate() == doctest::Approx(125'000).epsilon(0.01));
    CHECK(ends.train.robust_rate() == doctest::Approx(125'000).epsilon(0.01));
  }

  TEST_CASE("without a train nothing is said of one") {
    Ends ends(0s);
    ends.packet(Time{1s}, 10ms, 1400);
    ends.report(Time{1s} + 20ms);
    CHECK(ends.train.number == 0);
  }
}
