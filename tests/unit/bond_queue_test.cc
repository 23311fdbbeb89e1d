#include "sched/bond_queue.h"

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "sched/look_ahead.h"

using namespace wanbond;

namespace {

SegmentRun packet(std::uint32_t number) { return {number, 0, 1, 1500, 1500}; }
SegmentRun super_packet(std::uint32_t number) { return {number, 0, 10, 1400, 300}; }
PathOffer offer(std::uint8_t path, double ahead = 0, std::uint32_t quantum = 1500) {
  return {path, ahead, quantum, {}};
}

/// Takes one run by a single path.
std::optional<TakenRun> pull(BondQueue& queue, const PathOffer& by, Time now = Time{1s}) {
  return queue.pull(now, std::array{by});
}

}  // namespace

TEST_SUITE("bond queue") {
  TEST_CASE("a flow comes out in order for the fastest path") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 5; ++i)
      REQUIRE(queue.push(Time{1s}, 3, packet(i), EcnCapable::No));
    for (std::uint32_t i = 0; i < 5; ++i) CHECK(pull(queue, offer(0))->run.packet == i);
    CHECK_FALSE(pull(queue, offer(0)));
    CHECK(queue.empty());
    CHECK(queue.backlogged_flows() == 0);
  }

  TEST_CASE("a longer path takes the first packet with enough bytes ahead of it") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 10; ++i)
      REQUIRE(queue.push(Time{1s}, 3, packet(i), EcnCapable::No));
    // 4500 bytes and one packet must lie ahead.
    CHECK(pull(queue, offer(1, 4500))->run.packet == 4);
    CHECK(pull(queue, offer(1, 4500))->run.packet == 5);
    CHECK(pull(queue, offer(0))->run.packet == 0);
    CHECK(pull(queue, offer(1, 4500))->run.packet == 7);
    CHECK(pull(queue, offer(1, 4500))->run.packet == 8);
    CHECK(pull(queue, offer(1, 1500))->run.packet == 3);
  }

  TEST_CASE("a flow shorter than the look-ahead never sees the longer path") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 4; ++i)
      REQUIRE(queue.push(Time{1s}, 3, packet(i), EcnCapable::No));
    CHECK_FALSE(pull(queue, offer(1, 4500)));
    REQUIRE(queue.push(Time{1s}, 3, packet(4), EcnCapable::No));
    CHECK(pull(queue, offer(1, 4500))->run.packet == 4);
  }

  TEST_CASE("the look-ahead is shared by the flows that wait") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 4; ++i)
      for (std::uint16_t flow = 0; flow < 3; ++flow)
        REQUIRE(queue.push(Time{1s}, flow, packet(10U * flow + i), EcnCapable::No));
    CHECK(pull(queue, offer(1, 4500))->run.packet == 2);
  }

  TEST_CASE("a super packet is taken in parts, from its middle too") {
    BondQueue queue;
    REQUIRE(queue.push(Time{1s}, 0, super_packet(7), EcnCapable::No));
    REQUIRE(queue.push(Time{1s}, 0, super_packet(8), EcnCapable::No));
    const auto middle = pull(queue, offer(1, 4000, 3000));  // 5500 bytes ahead: four segments
    REQUIRE(middle);
    CHECK(middle->run.packet == 7);
    CHECK(middle->run.first == 4);
    CHECK(middle->run.count == 2);
    CHECK(middle->run.bytes() == 2800);
    const auto front = pull(queue, offer(0, 0, 65536));
    CHECK(front->run.first == 0);
    CHECK(front->run.count == 4);
    const auto rest = pull(queue, offer(0, 0, 65536));
    CHECK(rest->run.first == 6);
    CHECK(rest->run.count == 4);
    CHECK(rest->run.bytes() == 3 * 1400 + 300);
    CHECK(pull(queue, offer(0, 0, 65536))->run.packet == 8);
    CHECK(queue.empty());
  }

  TEST_CASE("whatever paths take in whatever way, each segment leaves once") {
    std::minstd_rand random(7);
    BondQueue queue;
    std::set<std::pair<std::uint32_t, unsigned>> left;
    std::uint32_t number = 0;
    std::uint64_t bytes = 0;
    for (int step = 0; step < 20'000; ++step) {
      if (random() % 3 != 0 && queue.bytes() < 400'000) {
        const auto count = static_cast<std::uint16_t>(1 + random() % 20);
        const auto last = static_cast<std::uint16_t>(1 + random() % 1400);
        const SegmentRun run{number, 0, count, 1400, last};
        if (queue.push(Time{1s}, static_cast<std::uint16_t>(random() % 4), run, EcnCapable::No)) {
          for (unsigned s = 0; s < count; ++s) left.emplace(number, s);
          ++number;
          bytes += run.bytes();
        }
      }
      const auto path = static_cast<std::uint8_t>(random() % 3);
      const auto taken = pull(queue, offer(path, path * double(random() % 60'000),
                                           static_cast<std::uint32_t>(random() % 9000)));
      if (!taken) continue;
      bytes -= taken->run.bytes();
      for (unsigned s = 0; s < taken->run.count; ++s)
        REQUIRE(left.erase({taken->run.packet, taken->run.first + s}) == 1);
      REQUIRE(queue.bytes() == bytes);
    }
    while (const auto taken = pull(queue, offer(0, 0, 65536)))
      for (unsigned s = 0; s < taken->run.count; ++s)
        REQUIRE(left.erase({taken->run.packet, taken->run.first + s}) == 1);
    CHECK(left.empty());
    CHECK(queue.bytes() == 0);
  }

  TEST_CASE("RFC 8290 4.1: flows take turns, and one that begins goes first") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 20; ++i) {
      REQUIRE(queue.push(Time{1s}, 1, packet(100 + i), EcnCapable::No));
      REQUIRE(queue.push(Time{1s}, 2, packet(200 + i), EcnCapable::No));
    }
    unsigned first = 0;
    for (int i = 0; i < 20; ++i) first += pull(queue, offer(0))->flow == 1;
    CHECK(first == 10);
    REQUIRE(queue.push(Time{1s}, 3, packet(300), EcnCapable::No));
    CHECK(pull(queue, offer(0))->run.packet == 300);
  }

  TEST_CASE("RFC 8290 4.2: flows that keep running empty do not starve one that waits") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 1000; ++i)
      REQUIRE(queue.push(Time{1s}, 9, packet(i), EcnCapable::No));
    std::size_t taken = 0;
    for (std::uint32_t turn = 0; turn < 300; ++turn) {  // each comes back as soon as it is served
      for (std::uint16_t flow = 0; flow < 3; ++flow)
        if (queue.flow_bytes(flow) == 0)
          REQUIRE(queue.push(Time{1s}, flow, packet(2000 + turn), EcnCapable::No));
      if (pull(queue, offer(0))->flow == 9) ++taken;
    }
    CHECK(taken >= 70);
    CHECK(taken <= 80);
  }

  TEST_CASE("turns are fair by bytes when a path takes large quanta") {
    BondQueue queue;
    for (std::uint32_t i = 0; i < 30; ++i) {
      REQUIRE(queue.push(Time{1s}, 1, super_packet(100 + i), EcnCapable::No));
      for (std::uint32_t k = 0; k < 9; ++k)
        REQUIRE(queue.push(Time{1s}, 2, packet(1000 + 9 * i + k), EcnCapable::No));
    }
    std::array<std::uint64_t, 3> bytes{};
    while (bytes[1] + bytes[2] < 400'000) {
      const auto taken = pull(queue, offer(0, 0, 16'000));
      bytes[taken->flow] += taken->run.bytes();
    }
    const double ratio = static_cast<double>(bytes[1]) / static_cast<double>(bytes[2]);
    CHECK(ratio > 0.8);
    CHECK(ratio < 1.25);
  }

  TEST_CASE("what is pinned to a path waits for it, and takes any other while it is away") {
    BondQueue queue;
    const auto pinned = queue.pinned(1, 7);
    queue.set_pinned(1, {.paths = 0b10});
    REQUIRE(queue.push(Time{1s}, pinned, packet(0), EcnCapable::No));
    REQUIRE(queue.push(Time{1s}, pinned, packet(1), EcnCapable::No));
    CHECK_FALSE(pull(queue, offer(0)));
    CHECK(pull(queue, offer(1, 100'000))->run.packet == 0);  // it needs nothing ahead
    queue.set_pinned(1, {.paths = 0b01});
    CHECK_FALSE(pull(queue, offer(1)));
    CHECK(pull(queue, offer(0))->run.packet == 1);
  }

  TEST_CASE("what waits for a path that takes nothing is in nobody's way") {
    BondQueue queue;
    queue.set_pinned(1, {.paths = 0b10});
    for (std::uint32_t key = 0; key < BondQueue::kPinnedMax; ++key)
      REQUIRE(queue.push(Time{1s}, queue.pinned(1, key), packet(key), EcnCapable::No));
    REQUIRE(queue.push(Time{1s}, 5, packet(1000), EcnCapable::No));
    CHECK(pull(queue, offer(0))->run.packet == 1000);
  }

  TEST_CASE("pinned flows of one key get one share of their path") {
    BondQueue queue;
    queue.set_pinned(0, {.paths = 0b01});
    for (std::uint32_t i = 0; i < 30; ++i) {
      REQUIRE(queue.push(Time{1s}, queue.pinned(0, 1), packet(i), EcnCapable::No));
      REQUIRE(queue.push(Time{1s}, queue.pinned(0, 1), packet(100 + i), EcnCapable::No));
      REQUIRE(queue.push(Time{1s}, queue.pinned(0, 2), packet(200 + i), EcnCapable::No));
    }
    unsigned single = 0;
    for (int i = 0; i < 30; ++i) single += pull(queue, offer(0))->run.packet >= 200;
    CHECK(single == 15);
  }

  TEST_CASE("pinned flows of different keys have one share each, however their keys are made") {
    constexpr std::uint32_t kFlows = 15, kTurns = 20;
    for (const std::uint32_t step : {1U, 8U, 64U, 4096U}) {
      BondQueue queue;
      queue.set_pinned(0, {.paths = 0b01});
      for (std::uint32_t i = 0; i < kTurns; ++i)
        for (std::uint32_t flow = 0; flow < kFlows; ++flow)
          REQUIRE(queue.push(Time{1s}, queue.pinned(0, flow * step), packet(flow), EcnCapable::No));
      std::array<std::uint32_t, kFlows> taken{};
      for (std::uint32_t i = 0; i < kFlows * kTurns / 2; ++i)
        ++taken[pull(queue, offer(0))->run.packet];
      for (std::uint32_t flow = 0; flow < kFlows; ++flow) CHECK(taken[flow] == kTurns / 2);
    }
  }

  TEST_CASE("a flow on all paths has the turns of a connection with a subflow on each") {
    BondQueue queue;
    queue.set_path_count(3);
    for (std::uint8_t path = 0; path < 3; ++path)
      queue.set_pinned(path, {.paths = static_cast<BondPathMask>(1U << path)});
    for (std::uint32_t i = 0; i < 300; ++i) {
      REQUIRE(queue.push(Time{1s}, 4, packet(i), EcnCapable::No));
      for (std::uint8_t path = 0; path < 3; ++path)
        REQUIRE(queue.push(Time{1s}, queue.pinned(path, 9), packet(1000 + i), EcnCapable::No));
    }
    unsigned of_flow = 0;
    for (int i = 0; i < 600; ++i)
      of_flow += pull(queue, offer(static_cast<std::uint8_t>(i % 3)))->run.packet < 1000;
    CHECK(of_flow >= 290);
    CHECK(of_flow <= 310);
  }

  TEST_CASE("a bucket that ran empty is there for other keys") {
    BondQueue queue;
    queue.set_pinned(0, {.paths = 0b01});
    for (std::uint32_t key = 0; key < 1000; ++key) {
      REQUIRE(queue.push(Time{1s}, queue.pinned(0, key), packet(key), EcnCapable::No));
      CHECK(pull(queue, offer(0))->run.packet == key);
    }
  }

  TEST_CASE("one flow fills two thirds of the room at most, another one still gets in") {
    BondQueue queue;
    queue.set_limit(150'000);
    std::uint32_t taken_in = 0;
    while (queue.push(Time{1s}, 1, packet(taken_in), EcnCapable::No)) ++taken_in;
    CHECK(taken_in >= 66);
    CHECK(taken_in <= 68);
    CHECK(queue.push(Time{1s}, 2, packet(1000), EcnCapable::No));
    CHECK(queue.counters().refused == 1);
  }

  TEST_CASE("RFC 8289 5: an excess that lasts is dropped or marked, a sojourn that is needed not") {
    for (const Duration allowance : {Duration{0}, Duration{50ms}}) {
      for (const EcnCapable ecn : {EcnCapable::No, EcnCapable::Yes}) {
        BondQueue queue;
        std::uint32_t number = 0;
        Time now{1s};
        for (; number < 40; ++number) REQUIRE(queue.push(now, 0, packet(number), ecn));
        for (int i = 0; i < 400; ++i, now += 1ms) {  // 40 ms stand all the time
          REQUIRE(queue.push(now, 0, packet(number++), ecn));
          REQUIRE(queue.pull(now, std::array{PathOffer{0, 0, 1500, allowance}}));
        }
        CHECK((queue.counters().voided > 0) == (ecn == EcnCapable::No && allowance == 0ms));
        CHECK((queue.counters().marked > 0) == (ecn == EcnCapable::Yes && allowance == 0ms));
      }
    }
  }
}

TEST_SUITE("look ahead") {
  TEST_CASE("paths come in the order of arrival and wait for what the faster ones deliver") {
    LookAhead ahead;
    ahead.rebuild(std::array<PathOutlook, 3>{{{0, 60ms, 2.5e6}, {1, 10ms, 5e6}, {2, 30ms, 1e6}}});
    REQUIRE(ahead.ranks().size() == 3);
    CHECK(ahead.ranks()[0].path == 1);
    CHECK(ahead.ranks()[0].ahead_bytes == 0);
    CHECK(ahead.ranks()[0].allowance == 50ms);
    CHECK(ahead.ranks()[1].path == 2);
    CHECK(ahead.ranks()[1].ahead_bytes == doctest::Approx(5e6 * 0.02));
    CHECK(ahead.ranks()[2].path == 0);
    CHECK(ahead.ranks()[2].ahead_bytes == doctest::Approx(5e6 * 0.05 + 1e6 * 0.03));
    CHECK(ahead.slowest() == 60ms);
  }
}
