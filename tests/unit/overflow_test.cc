// How full a path is, and which flows an overflow rule moves because of that.
#include "sched/overflow.h"

#include <doctest/doctest.h>

#include <array>
#include <map>

using namespace wanbond;

namespace {

constexpr std::uint64_t kMbit = 1'000'000;

/// A path with a rate of its own: what is offered above it stands in a queue.
struct Link {
  std::uint64_t rate_mbit = 10;
  PathFill fill = {};
  std::uint64_t sent_bytes = 0;
  std::uint64_t offered_mbit = 0;

  void run(Time now, Duration step) {
    sent_bytes += offered_mbit * kMbit / 8 * static_cast<std::uint64_t>(step / 1ms) / 1000;
    fill.update(now, {.sent_bytes = sent_bytes,
                      .has_queue = offered_mbit > rate_mbit,
                      .delivered = {std::min(offered_mbit, rate_mbit) * kMbit},
                      .loss_ppm = 0});
  }
};

constexpr PathId kFiber{0}, kLte{1};

/// Two WANs and flows of constant rates.
struct Bench {
  std::array<Link, 2> links = {Link{.rate_mbit = 10}, Link{.rate_mbit = 50}};
  Overflow overflow = {};
  Time now{100s};
  std::map<std::uint64_t, std::uint64_t> rates;  // Mbit/s by digest
  std::map<std::uint64_t, std::optional<PathId>> at;

  Bench() { show(true); }
  void show(bool is_fiber_up) {
    const std::array<OverflowPath, 2> ways{
        {{SocketId{0}, kFiber, &links[0].fill}, {SocketId{1}, kLte, &links[1].fill}}};
    overflow.update(std::span(ways).subspan(is_fiber_up ? 0 : 1));
  }
  void start(std::uint64_t flow, std::uint64_t mbit) {
    rates[flow] = mbit;
    at[flow] = overflow.take(now, {.digest = flow, .bytes = 1000, .before = {}});
  }
  void run(Duration time) {
    for (const Time end = now + time; now < end; now += 10ms) {
      for (Link& link : links) link.offered_mbit = 0;
      for (const auto& [flow, mbit] : rates) {
        at[flow] = overflow.take(now, {.digest = flow, .bytes = mbit * 1250, .before = at[flow]});
        links[at[flow]->value].offered_mbit += mbit;
      }
      for (Link& link : links) link.run(now, 10ms);
    }
  }
};

}  // namespace

TEST_SUITE("overflow") {
  TEST_CASE("a path is full while a queue stands in it, or near the rate at which one stood") {
    Link link;
    Time now{1s};
    const auto run = [&](std::uint64_t mbit, Duration time) {
      link.offered_mbit = mbit;
      for (const Time end = now + time; now < end; now += 10ms) link.run(now, 10ms);
    };
    run(9, 3s);
    CHECK_FALSE(link.fill.is_full());  // nobody knows yet what it can do
    CHECK(link.fill.calm_since() == Time{1s});
    run(12, 3s);
    CHECK(link.fill.is_full());
    CHECK(link.fill.capacity().bits_per_second == 10 * kMbit);
    CHECK(link.fill.calm_since() == kNever);
    link.rate_mbit = 100;
    run(10, 3s);
    CHECK(link.fill.is_full());
    run(9, 3s);
    CHECK_FALSE(link.fill.is_full());
    CHECK(link.fill.calm_since() == kNever);
    run(7, 3s);
    CHECK(link.fill.calm_since() != kNever);
    run(12, 3s);  // without a queue: it can do more
    CHECK_FALSE(link.fill.is_full());
    CHECK(link.fill.capacity().bits_per_second == 0);
  }

  TEST_CASE(
      "a capacity is forgotten after a minute, and losses below a tenth are none of a queue") {
    PathFill fill;
    Time now{1s};
    std::uint64_t bytes = 0;
    const auto run = [&](std::uint32_t loss_ppm, bool has_queue, Duration time) {
      for (const Time end = now + time; now < end; now += 10ms)
        fill.update(now, {.sent_bytes = bytes += 10'000,
                          .has_queue = has_queue,
                          .delivered = {8 * kMbit},
                          .loss_ppm = loss_ppm});
    };
    run(90'000, false, 3s);
    CHECK_FALSE(fill.is_full());
    run(110'000, false, 3s);
    CHECK(fill.is_full());
    run(0, false, 50s);
    CHECK(fill.is_full());  // it sends what was too much then
    run(0, false, 15s);
    CHECK_FALSE(fill.is_full());
  }

  TEST_CASE("signs of a queue that outlast their traffic count for nothing") {
    Link link{.offered_mbit = 12};
    Time now{1s};
    for (; now < Time{4s}; now += 10ms) link.run(now, 10ms);
    REQUIRE(link.fill.is_full());
    for (; now < Time{6s}; now += 10ms)
      link.fill.update(now, {.sent_bytes = link.sent_bytes,
                             .has_queue = true,
                             .delivered = {10 * kMbit},
                             .loss_ppm = 500'000});
    CHECK_FALSE(link.fill.is_full());
    CHECK(link.fill.calm_since() != kNever);
  }

  TEST_CASE("the second WAN takes nothing while the first suffices") {
    Bench b;
    b.start(1, 4);
    b.run(3s);
    b.start(2, 5);
    b.run(20s);
    CHECK(b.at[1] == kFiber);
    CHECK(b.at[2] == kFiber);
  }

  TEST_CASE("a flow that is too much moves on, and returns when there is room again") {
    Bench b;
    b.start(1, 8);
    b.run(3s);
    b.start(2, 6);
    CHECK(b.at[2] == kFiber);
    b.run(4s);
    CHECK(b.at[1] == kFiber);  // it sends more
    CHECK(b.at[2] == kLte);
    b.run(30s);
    CHECK(b.at[2] == kLte);
    b.rates.erase(1);
    b.run(3s);
    CHECK(b.at[2] == kLte);  // not at once
    b.run(5s);
    CHECK(b.at[2] == kFiber);
  }

  TEST_CASE("new flows avoid a full WAN that one flow fills alone, and that one stays") {
    Bench b;
    b.start(1, 30);
    b.run(5s);
    CHECK(b.at[1] == kFiber);
    b.start(2, 1);
    CHECK(b.at[2] == kLte);
    b.run(60s);
    CHECK(b.at[1] == kFiber);
    CHECK(b.at[2] == kLte);
  }

  TEST_CASE("returns that fill the WAN again become rarer") {
    Bench b;
    b.start(1, 7);
    b.run(3s);
    b.start(2, 6);
    unsigned moves = 0;
    auto before = b.at[2];
    for (int i = 0; i < 600; ++i) {
      b.run(200ms);
      moves += b.at[2] != before ? 1 : 0;
      before = b.at[2];
    }
    CHECK(moves >= 3);
    CHECK(moves <= 9);  // every 8 s would be 30
  }

  TEST_CASE("many flows return together when they fit") {
    Bench b;
    for (std::uint64_t flow = 1; flow <= 20; ++flow) b.start(flow, 1);
    b.run(30s);  // one after the other leaves
    std::size_t away = 0;
    for (const auto& [_, path] : b.at) away += path == kLte ? 1 : 0;
    CHECK(away >= 10);
    CHECK(away <= 12);
    for (std::uint64_t flow = 5; flow <= 20; ++flow) b.rates.erase(flow);
    b.run(8s);
    for (std::uint64_t flow = 1; flow < 5; ++flow) CHECK(b.at[flow] == kFiber);
  }

  TEST_CASE("a WAN that fails is left at once, and taken again when it is back") {
    Bench b;
    b.start(1, 4);
    b.run(10s);
    b.show(false);
    b.run(10ms);
    CHECK(b.at[1] == kLte);
    b.run(2s);
    b.show(true);
    b.run(10ms);
    CHECK(b.at[1] == kFiber);
    b.overflow.update({});
    CHECK_FALSE(b.overflow.choose(kFiber));
  }
}
