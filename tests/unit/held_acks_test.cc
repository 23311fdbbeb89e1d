// HeldAcks (core/held_acks): acknowledgements of two flows and a pool that may run dry.
#include "core/held_acks.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <vector>

#include "tests/unit/inner_packets.h"

using namespace wanbond;

namespace {

constexpr std::uint16_t kFlow = 7, kOther = 9;

struct Bench {
  PacketPool pool{std::size_t{16} << 20};
  HeldAcks acks{pool};
  Time now{1s};

  explicit Bench() {
    acks.on_sent(now, kFlow, {1000, 1000}, HoldFrom::Start);
    for (std::uint32_t i = 0; i < 100; ++i, now += 1ms)
      acks.on_sent(now, kFlow, {1000 + 1000 * i, 2000 + 1000 * i}, HoldFrom::Midst);
  }
  /// Answers the first `kilobytes`; its content is that number.
  bool hold(std::uint32_t kilobytes, std::uint16_t flow = kFlow, Duration round_trip = 150ms) {
    std::array<std::byte, 60> content{};
    std::memcpy(content.data(), &kilobytes, sizeof kilobytes);
    return acks.hold(now, flow,
                     {.content = content, .flags = 3, .note = 1, .end = 1000 + 1000 * kilobytes},
                     round_trip);
  }
  std::vector<std::uint32_t> take() {
    std::vector<std::uint32_t> taken;
    while (const auto ack = acks.take()) {
      std::uint32_t number = 0;
      std::memcpy(&number, ack->packet.bytes().data(), sizeof number);
      taken.push_back(number);
      CHECK(ack->packet.size() == 60);
      CHECK(ack->flags == 3);
      CHECK(ack->note == 1);
    }
    return taken;
  }
};

using Numbers = std::vector<std::uint32_t>;

}  // namespace

TEST_SUITE("held acks") {
  TEST_CASE("each leaves a round trip after the data that it answers, in order") {
    Bench bench;
    CHECK(bench.hold(60));  // sent 41 ms ago
    CHECK(bench.hold(70));
    CHECK(bench.take().empty());
    const Time due = bench.acks.next_timeout();
    CHECK(due >= Time{1s} + 59ms + 150ms);
    CHECK(due <= Time{1s} + 59ms + 152500us);
    bench.acks.on_timer(due - 1us);
    CHECK(bench.take().empty());
    bench.acks.on_timer(due);
    CHECK(bench.take() == Numbers{60});
    bench.acks.on_timer(due + 20ms);
    CHECK(bench.take() == Numbers{70});
    CHECK(bench.acks.next_timeout() == kNever);
    CHECK(bench.pool.used_count() == 0);
  }

  TEST_CASE("a flow of which nothing was noted does not wait") {
    Bench bench;
    CHECK(bench.acks.may_hold(bench.now));
    CHECK_FALSE(bench.hold(60, kOther));
    CHECK_FALSE(bench.acks.may_hold(bench.now + 3s));
  }

  TEST_CASE("one that need not wait does not overtake those that do") {
    Bench bench;
    CHECK(bench.hold(60));
    CHECK(bench.hold(70, kFlow, 0ms));
    CHECK(bench.take().empty());
    bench.acks.on_timer(bench.now + 1s);
    CHECK(bench.take() == Numbers{60, 70});
    bench.now += 1s;
    CHECK_FALSE(bench.hold(80, kFlow, 0ms));
  }

  TEST_CASE("what waits of one flow leaves before its data; that of another stays") {
    Bench bench;
    bench.acks.on_sent(bench.now, kOther, {1000, 50'000}, HoldFrom::Midst);
    CHECK(bench.hold(60));
    CHECK(bench.hold(5, kOther));
    CHECK(bench.hold(61));
    bench.acks.release(bench.now, kFlow);
    CHECK(bench.take() == Numbers{60, 61});
    bench.acks.release_all(bench.now);
    CHECK(bench.take() == Numbers{5});
  }

  TEST_CASE("when no more fit, all leave at once, in order") {
    Bench bench;
    for (std::uint32_t i = 0; i < HeldAcks::kHeldMax; ++i) CHECK(bench.hold(60 + i % 2));
    CHECK(bench.take().empty());
    CHECK(bench.hold(62));
    CHECK(bench.take().size() == HeldAcks::kHeldMax);
    CHECK(bench.acks.counters().overflows == 1);
    bench.acks.on_timer(bench.now + 1s);
    CHECK(bench.take() == Numbers{62});
  }

  TEST_CASE("when memory is short all leave at once, in order") {
    Bench bench;
    CHECK(bench.hold(60));
    std::vector<Packet> others;
    while (!bench.pool.is_scarce(60)) others.push_back(bench.pool.acquire(60));
    CHECK(bench.hold(61));
    CHECK(bench.take() == Numbers{60});
    while (bench.pool.acquire(PacketPool::kClassBytes[2]).valid())
      others.push_back(bench.pool.acquire(60));
    CHECK_FALSE(bench.hold(62));
  }

  TEST_CASE("a flow that begins again at its place is noted anew") {
    Bench bench;
    bench.acks.on_sent(bench.now, kFlow, {5, 5}, HoldFrom::Start);
    CHECK(bench.acks.hold(bench.now, kFlow, {.content = {}, .end = 6}, 100ms));
    CHECK(bench.acks.next_timeout() >= bench.now + 100ms);
  }

  TEST_CASE("pure acknowledgements and the answer to a SYN may wait, nothing else") {
    const auto may_wait = [](std::uint8_t flags, std::size_t payload) {
      const auto bytes =
          test::make_packet({.payload_bytes = payload, .tcp_flags = flags}, Checksum::Full);
      return HeldAcks::may_wait(*parse_inner(bytes));
    };
    CHECK(may_wait(kTcpAck, 0));
    CHECK(may_wait(kTcpAck | kTcpEce, 0));
    CHECK(may_wait(kTcpSyn | kTcpAck, 0));
    CHECK_FALSE(may_wait(kTcpSyn, 0));
    CHECK_FALSE(may_wait(kTcpAck, 1));
    CHECK_FALSE(may_wait(kTcpAck | kTcpFin, 0));
    CHECK_FALSE(may_wait(kTcpAck | kTcpRst, 0));
  }

  TEST_CASE("RFC 2018 3: the newest byte answered is that of the farthest block") {
    auto bytes = test::make_packet({.payload_bytes = 0, .tcp_options = 20}, Checksum::Full);
    const auto inner = parse_inner(bytes);
    REQUIRE(inner);
    CHECK(newest_acknowledged(bytes, *inner) == 77);
    const std::array<std::uint8_t, 20> sack{1, 1, 5, 18, 0, 0, 4, 0, 0, 0,
                                            8, 0, 0, 0,  1, 0, 0, 0, 2, 0};
    std::memcpy(bytes.data() + 40, sack.data(), sack.size());
    CHECK(newest_acknowledged(bytes, *inner) == 2048);
  }
}
