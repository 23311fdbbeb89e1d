#include "sched/resequencer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

using namespace wanbond;

namespace {

constexpr Time kStart{10s};
constexpr Duration kHold = 100ms;
constexpr std::uint8_t kOrdered = SequencedArrival::kOrdered;
constexpr std::uint8_t kCopy = SequencedArrival::kCopy;
constexpr std::uint8_t kVoid = SequencedArrival::kVoid;
constexpr std::uint8_t kFirst = SequencedArrival::kFirst;
using Verdict = Resequencer::Verdict;
using Numbers = std::vector<std::uint32_t>;

/// What comes out, in order. Each packet holds its number.
struct Out {
  explicit Out(std::size_t pool_bytes = 4 << 20) : pool(pool_bytes), machine(pool) {
    machine.set_hold(kHold);
  }
  Verdict push(Time now, std::uint32_t sequence, std::uint8_t flags = kOrdered,
               std::uint16_t stream = 1) {
    std::array<std::byte, 4> content{};
    ByteWriter(content).u32(sequence);
    const Bytes bytes = (flags & kVoid) != 0 ? Bytes() : Bytes(content);
    const Verdict verdict = machine.push(now, {stream, sequence & 0xff'ffff, flags, 0, bytes});
    if (verdict == Verdict::Pass) out.push_back(sequence);
    drain();
    return verdict;
  }
  void timer(Time now) {
    machine.on_timer(now);
    drain();
  }
  void drain() {
    while (const auto released = machine.take_released())
      out.push_back(ByteReader(released->packet.bytes()).u32());
  }
  Numbers take() { return std::exchange(out, {}); }

  PacketPool pool;
  Resequencer machine;
  Numbers out;
};

}  // namespace

TEST_SUITE("resequencer") {
  TEST_CASE("stream 0 always passes, twice as well") {
    Out out;
    for (int i = 0; i < 3; ++i) CHECK(out.push(kStart, 5, kOrdered, 0) == Verdict::Pass);
  }

  TEST_CASE("a stream in order passes without a copy, over the wrap") {
    Out out;
    for (std::uint32_t n = 0xff'fff0; n < 0x100'0010; ++n)
      CHECK(out.push(kStart, n) == Verdict::Pass);
    CHECK(out.pool.used_count() == 0);
    CHECK(out.machine.next_timeout() == kNever);
  }

  TEST_CASE("what is beyond a hole waits and comes out in order") {
    Out out;
    (void)out.push(kStart, 0);
    CHECK(out.push(kStart, 2) == Verdict::Held);
    CHECK(out.push(kStart, 4) == Verdict::Held);
    CHECK(out.push(kStart, 3) == Verdict::Held);
    CHECK(out.machine.held_count() == 3);
    CHECK(out.take() == Numbers{0});
    CHECK(out.push(kStart, 1) == Verdict::Pass);
    CHECK(out.take() == Numbers{1, 2, 3, 4});
    CHECK(out.pool.used_count() == 0);
    CHECK(out.push(kStart, 5) == Verdict::Pass);
    CHECK(out.machine.counters().timeouts == 0);
  }

  TEST_CASE("a hole is given up after the hold time, and the next one has a time of its own") {
    Out out;
    (void)out.push(kStart, 0);
    (void)out.push(kStart, 2);
    (void)out.push(kStart + 30ms, 4);
    (void)out.push(kStart + 40ms, 5);
    CHECK(out.machine.next_timeout() == kStart + kHold);
    out.timer(kStart + kHold - 1ns);
    CHECK(out.take() == Numbers{0});
    out.timer(kStart + kHold);
    CHECK(out.take() == Numbers{2});  // not the whole buffer
    CHECK(out.machine.next_timeout() == kStart + 30ms + kHold);
    out.timer(kStart + 30ms + kHold);
    CHECK(out.take() == Numbers{4, 5});
    CHECK(out.machine.next_timeout() == kNever);
    CHECK(out.machine.counters().timeouts == 2);
  }

  TEST_CASE("a late packet that was passed over is delivered at once, and once") {
    Out out;
    (void)out.push(kStart, 0);
    (void)out.push(kStart, 3);
    out.timer(kStart + kHold);
    CHECK(out.push(kStart + 200ms, 1) == Verdict::Pass);
    CHECK(out.push(kStart + 200ms, 1) == Verdict::Duplicate);
    CHECK(out.push(kStart + 200ms, 2, kOrdered | kCopy) == Verdict::Pass);
    CHECK(out.push(kStart + 200ms, 3) == Verdict::Duplicate);
    CHECK(out.machine.counters().late == 2);
    CHECK(out.machine.counters().duplicates == 2);
  }

  TEST_CASE("duplicates are dropped: delivered ones, held ones, old ones") {
    Out out;
    (void)out.push(kStart, 0);
    CHECK(out.push(kStart, 0, kOrdered | kCopy) == Verdict::Duplicate);
    (void)out.push(kStart, 2);
    CHECK(out.push(kStart, 2, kOrdered | kCopy) == Verdict::Duplicate);
    (void)out.push(kStart, 1);
    for (std::uint32_t n = 0; n < 3; ++n) CHECK(out.push(kStart, n) == Verdict::Duplicate);
    CHECK(out.take() == Numbers{0, 1, 2});
  }

  TEST_CASE("a stream without order holds nothing, but passes each number once") {
    Out out;
    for (const std::uint32_t n : {0U, 3U, 1U, 5U}) CHECK(out.push(kStart, n, 0) == Verdict::Pass);
    for (const std::uint32_t n : {0U, 3U, 1U, 5U})
      CHECK(out.push(kStart, n, kCopy) == Verdict::Duplicate);
    CHECK(out.push(kStart, 2, kCopy) == Verdict::Pass);
    CHECK(out.push(kStart, 4, kCopy) == Verdict::Pass);
    CHECK(out.push(kStart, 4, kCopy) == Verdict::Duplicate);
    CHECK(out.machine.held_count() == 0);
  }

  TEST_CASE("no stream waits for another") {
    Out out;
    (void)out.push(kStart, 0, kOrdered, 1);
    (void)out.push(kStart, 2, kOrdered, 1);
    for (std::uint32_t n = 0; n < 100; ++n)
      CHECK(out.push(kStart, n, kOrdered, 2) == Verdict::Pass);
    CHECK(out.machine.held_count() == 1);
  }

  TEST_CASE("a void fills its hole; one beyond a hole waits with the others") {
    Out out;
    (void)out.push(kStart, 0);
    (void)out.push(kStart, 2);
    CHECK(out.push(kStart, 1, kOrdered | kVoid) == Verdict::Held);
    CHECK(out.take() == Numbers{0, 2});
    CHECK(out.push(kStart, 4, kOrdered | kVoid) == Verdict::Held);
    CHECK(out.push(kStart, 5) == Verdict::Held);
    CHECK(out.push(kStart, 3) == Verdict::Pass);
    CHECK(out.take() == Numbers{3, 5});
    CHECK(out.push(kStart, 6, kOrdered | kVoid) == Verdict::Held);  // in order
    CHECK(out.push(kStart, 7) == Verdict::Pass);
  }

  TEST_CASE("while copies come a hole waits longer, but not for ever") {
    Out out;
    (void)out.push(kStart, 0);
    (void)out.push(kStart, 10);
    for (std::uint32_t n = 0; n < 9; ++n)  // 1 is missing
      (void)out.push(kStart + 80ms + n * 1ms, 2 + n, kOrdered | kCopy);
    CHECK(out.machine.next_timeout() > kStart + kHold);
    CHECK(out.machine.next_timeout() <= kStart + 80ms + 9ms + 60ms);
    Time now = kStart + 90ms;
    std::uint32_t n = 20;
    while (out.machine.next_timeout() > now) {
      (void)out.push(now, n++, kOrdered | kCopy);
      now += 10ms;
    }
    CHECK(now - kStart <= kHold + 420ms);
  }

  TEST_CASE("a stream is taken up where it is; some numbers before may still come") {
    Out out;
    CHECK(out.push(kStart, 1000) == Verdict::Pass);
    CHECK(out.push(kStart, 999) == Verdict::Pass);
    CHECK(out.push(kStart, 999) == Verdict::Duplicate);
    CHECK(out.push(kStart, 100) == Verdict::Duplicate);
  }

  TEST_CASE("a first packet far away starts the stream anew, others do not") {
    Out out;
    (void)out.push(kStart, 0);
    (void)out.push(kStart, 2);
    CHECK(out.push(kStart, 0x70'0000, kOrdered | kFirst) == Verdict::Pass);
    CHECK(out.push(kStart, 0x70'0001) == Verdict::Pass);
    CHECK(out.push(kStart, 0) == Verdict::Duplicate);
    CHECK(out.machine.next_timeout() == kNever);
  }

  TEST_CASE("a sender that restarted begins all streams anew") {
    Out out;
    for (std::uint32_t n = 500; n < 510; ++n) (void)out.push(kStart, n);
    (void)out.push(kStart, 511);
    (void)out.take();
    out.machine.reset();
    out.drain();
    CHECK(out.take() == Numbers{511});
    CHECK(out.push(kStart, 0) == Verdict::Pass);
    CHECK(out.pool.used_count() == 0);
  }

  TEST_CASE("without spare buffers the oldest hole goes first, and nothing is lost or doubled") {
    Out out(1 << 20);  // 120 small buffers, of which a quarter is not for us
    (void)out.push(kStart, 0, kOrdered, 1);
    (void)out.push(kStart, 2, kOrdered, 1);
    (void)out.push(kStart + 1ms, 0, kOrdered, 2);
    (void)out.take();
    for (std::uint32_t n = 2; n < 500; ++n) (void)out.push(kStart + 2ms, n, kOrdered, 2);
    CHECK(out.machine.counters().timeouts >= 2);
    (void)out.push(kStart + 3ms, 1, kOrdered, 2);
    out.timer(kStart + 1s);
    Numbers seen = out.take();
    std::sort(seen.begin(), seen.end());
    Numbers all{2};  // of stream 1
    for (std::uint32_t n = 1; n < 500; ++n) all.push_back(n);
    std::sort(all.begin(), all.end());
    CHECK(seen == all);
    CHECK(out.pool.used_count() == 0);
  }

  TEST_CASE("of one hold bound the streams share, none is doubled or lost in random disorder") {
    std::uint32_t seed = 99;
    const auto random = [&seed](std::uint32_t bound) {
      seed = seed * 1664525 + 1013904223;
      return (seed >> 8) % bound;
    };
    for (int round = 0; round < 50; ++round) {
      Out out(1 << 20);
      std::vector<std::pair<std::uint32_t, std::uint8_t>> sent;
      for (std::uint32_t n = 1; n < 300; ++n) {
        sent.emplace_back(n, kOrdered);
        if (random(4) == 0) sent.emplace_back(n, static_cast<std::uint8_t>(kOrdered | kCopy));
      }
      for (std::size_t i = 0; i < sent.size(); ++i)
        std::swap(sent[i], sent[std::min(sent.size() - 1, i + random(20))]);
      (void)out.push(kStart, 0);
      Time now = kStart;
      for (const auto& [n, flags] : sent) {
        now += 100us * static_cast<int>(random(30));
        if (out.machine.next_timeout() <= now) out.timer(now);
        (void)out.push(now, n, flags);
      }
      out.timer(now + 1s);
      const Numbers seen = out.take();
      CHECK(seen.size() == 300);
      CHECK(std::set<std::uint32_t>(seen.begin(), seen.end()).size() == 300);
      if (out.machine.counters().timeouts == 0) CHECK(std::is_sorted(seen.begin(), seen.end()));
    }
  }
}
