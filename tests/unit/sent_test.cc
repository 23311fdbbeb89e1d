#include "sched/sent.h"

#include <doctest/doctest.h>

#include <vector>

#include "sched/retain.h"

using namespace wanbond;

namespace {

constexpr Time kStart{1s};
constexpr Duration kPatience = 2ms;

SentSegment segment(std::uint32_t sequence) {
  return {.packet = SentSegment::kKeptMin, .stream = 1, .sequence = sequence & 0xff'ffff};
}

struct Sink {
  std::vector<std::uint32_t> seen;
  void operator()(const SentSegment& s) { seen.push_back(s.sequence); }
  std::vector<std::uint32_t> take() { return std::exchange(seen, {}); }
};
using Numbers = std::vector<std::uint32_t>;

void push(SentLog& log, Time now, std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t n = first; n <= last; ++n) log.push(now, n, segment(n));
}

}  // namespace

TEST_SUITE("sent") {
  TEST_CASE("what is acknowledged leaves once, and the oldest that is left has the age") {
    SentLog log;
    Sink sink;
    CHECK(log.oldest_sent() == kNever);
    push(log, kStart, 10, 12);
    push(log, kStart + 5ms, 14, 15);  // 13 was no DATA
    CHECK(log.live_count() == 5);
    CHECK(log.oldest_sent() == kStart);
    log.on_acknowledged(kStart + 20ms, {10, 12}, sink);
    CHECK(sink.take() == Numbers{10, 11, 12});
    CHECK(log.oldest_sent() == kStart + 5ms);
    CHECK(log.last_progress() == kStart + 20ms);
    log.on_acknowledged(kStart + 30ms, {0, 14}, sink);
    CHECK(sink.take() == Numbers{14});
    log.on_acknowledged(kStart + 40ms, {0, 14}, sink);
    CHECK(sink.take().empty());
    CHECK(log.last_progress() == kStart + 30ms);
    CHECK(log.live_count() == 1);
  }

  TEST_CASE("three later ones acknowledged: lost at once") {
    SentLog log;
    Sink lost, settled;
    push(log, kStart, 0, 9);
    log.on_acknowledged(kStart, {0, 2}, settled);
    log.on_acknowledged(kStart, {5, 7}, settled);
    log.find_lost(kStart, kPatience, lost);
    CHECK(lost.take() == Numbers{3, 4});
    CHECK(log.oldest_sent() == kStart);
    CHECK(log.live_count() == 2);  // 8 and 9
    CHECK(log.next_timeout() == kNever);
  }

  TEST_CASE("fewer later ones acknowledged: lost after the patience") {
    SentLog log;
    Sink lost, settled;
    push(log, kStart, 0, 5);
    log.on_acknowledged(kStart, {1, 2}, settled);
    log.find_lost(kStart, kPatience, lost);
    CHECK(lost.take().empty());
    CHECK(log.next_timeout() == kStart + kPatience);
    log.find_lost(kStart + 1ms, kPatience, lost);
    CHECK(log.next_timeout() == kStart + kPatience);  // it does not move on
    log.find_lost(kStart + kPatience, kPatience, lost);
    CHECK(lost.take() == Numbers{0});
    CHECK(log.next_timeout() == kNever);
    CHECK(log.live_count() == 3);
  }

  TEST_CASE("a failed path gives all it has, in the order of sending") {
    SentLog log;
    Sink taken, settled;
    push(log, kStart, 100, 104);
    log.on_acknowledged(kStart, {102, 102}, settled);
    log.take_all(taken);
    CHECK(taken.take() == Numbers{100, 101, 103, 104});
    CHECK(log.live_count() == 0);
    CHECK(log.oldest_sent() == kNever);
    push(log, kStart + 1s, 200, 200);
    CHECK(log.oldest_sent() == kStart + 1s);
  }

  TEST_CASE("a failed path that has given all wants no timer for its holes") {
    SentLog log;
    Sink sink;
    push(log, kStart, 1, 3);
    log.on_acknowledged(kStart + 5ms, {3, 3}, sink);
    log.find_lost(kStart + 5ms, kPatience, sink);
    REQUIRE(log.next_timeout() == kStart + 5ms + kPatience);
    log.take_all(sink);
    CHECK(log.live_count() == 0);
    CHECK(log.next_timeout() == kNever);
  }

  TEST_CASE("a run that ends with numbers which were no DATA settles the DATA in it") {
    SentLog log;
    Sink settled, lost;
    push(log, kStart, 0, 2);
    log.on_acknowledged(kStart, {1, 4}, settled);  // 3 and 4 were control packets
    CHECK(settled.take() == Numbers{1, 2});
    CHECK(log.live_count() == 1);
    log.find_lost(kStart, kPatience, lost);  // they overtake as DATA does
    CHECK(lost.take() == Numbers{0});
    push(log, kStart, 7, 7);
    log.find_lost(kStart, kPatience, lost);
    CHECK(lost.take().empty());
  }

  TEST_CASE("it is bounded: the oldest are given up, and a new count starts clean") {
    SentLog log;
    Sink given_up;
    for (std::uint32_t n = 0; n < 3 * SentLog::kCountMax; ++n) {
      if (log.is_full_for(n)) log.make_room(n, given_up);
      log.push(kStart, n, segment(n));
    }
    CHECK(log.live_count() == SentLog::kCountMax);
    CHECK(given_up.seen.size() == 2 * SentLog::kCountMax);
    CHECK(given_up.take().back() == 2 * SentLog::kCountMax - 1);
    REQUIRE(log.is_full_for(5));
    log.make_room(5, given_up);
    CHECK(given_up.take().size() == SentLog::kCountMax);
    log.push(kStart, 5, segment(5));
    CHECK(log.live_count() == 1);
    REQUIRE(log.is_full_for(1'000'000));
    log.make_room(1'000'000, given_up);
    log.push(kStart, 1'000'000, segment(7));
    CHECK(given_up.take() == Numbers{5});
  }
}

TEST_SUITE("retain") {
  TEST_CASE("a packet stays until all its segments are released") {
    PacketPool pool(1 << 20);
    RetainedPackets kept;
    const std::uint32_t first = kept.next_number();
    kept.keep(kStart, pool.acquire(100), 3);
    const std::uint32_t second = kept.next_number();
    kept.keep(kStart + 1ms, pool.acquire(100), 1);
    CHECK(kept.find(second) != nullptr);
    CHECK(kept.kept_at(second) == kStart + 1ms);
    kept.release(second);
    CHECK(kept.find(second) == nullptr);
    kept.release(first);
    kept.release(first);
    CHECK(kept.find(first) != nullptr);
    CHECK(pool.used_count() == 1);
    kept.release(first);
    CHECK(pool.used_count() == 0);
    CHECK(kept.count() == 0);
    kept.release(first);  // harmless
    kept.release(12345);
    CHECK(kept.find(12345) == nullptr);
  }

  TEST_CASE("it grows, and gives up the oldest at its bound") {
    PacketPool pool(std::size_t{4} * RetainedPackets::kCountMax * 4096);
    RetainedPackets kept;
    for (std::size_t i = 0; i < RetainedPackets::kCountMax + 10; ++i)
      kept.keep(kStart, pool.acquire(100), 1);
    CHECK(kept.count() == RetainedPackets::kCountMax);
    CHECK(kept.given_up() == 10);
    CHECK(kept.find(SentSegment::kKeptMin + 9) == nullptr);
    CHECK(kept.find(SentSegment::kKeptMin + 10) != nullptr);
  }

  TEST_CASE("it leaves a quarter of the buffers to others") {
    PacketPool pool(1 << 20);
    RetainedPackets kept;
    for (int i = 0; i < 1000; ++i) {
      Packet packet = pool.acquire(PacketPool::kClassBytes[2]);
      REQUIRE(packet.valid());
      kept.keep(kStart, std::move(packet), 1);
    }
    CHECK(kept.count() == 12);  // of 16
    CHECK(kept.given_up() == 988);
  }
}
