// When the loop rests: fast small packets, and nothing else.
#include "io/rest.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

constexpr Time kStart{1s};

/// Turns as they come when a packet of `bytes` arrives every `gap`, each turn taking all that came
/// since the one before. Counts turns, packets and the time that was slept.
struct Stream {
  Rest rest;
  Time now = kStart;
  std::size_t turns = 0, packets = 0, rests = 0;
  Duration longest{};

  void run(Duration gap, std::size_t bytes, Duration length) {
    const Time end = now + length;
    Time next = now + gap;
    while (now < end) {
      const Time until = rest.until();
      if (until != Rest::kNone) {
        ++rests;
        longest = std::max(longest, until - now);
      }
      now = std::max(std::max(Time(now + 1us), next), until);
      std::size_t count = 0;
      for (; next <= now; next += gap) ++count;
      rest.on_turn(now, {count, count * bytes});
      ++turns;
      packets += count;
    }
  }
};

}  // namespace

TEST_SUITE("rest") {
  TEST_CASE("small packets that come fast are taken several at a time") {
    struct Row {
      Duration gap;
      std::size_t bytes, at_least;
    };
    for (const Row row : {Row{50us, 1200, 8}, Row{25us, 200, 17}, Row{10us, 200, 40}}) {
      CAPTURE(row.gap.count());
      Stream stream;
      stream.run(row.gap, row.bytes, 1s);
      CHECK(stream.packets >= stream.turns * row.at_least);
      CHECK(stream.longest <= Rest::kLongest);
    }
  }

  TEST_CASE("it never rests below 16000 packets a second") {
    Stream stream;
    stream.run(65us, 200, 1s);
    CHECK(stream.rests == 0);
  }

  TEST_CASE("the first packets after a pause find it awake") {
    Stream stream;
    for (int burst = 0; burst < 100; ++burst) {
      stream.run(20us, 200, 220us);
      stream.now += 3ms;
    }
    CHECK(stream.rests == 0);
  }

  TEST_CASE("it never rests in bulk, whatever acknowledgements come between") {
    Stream bulk;
    bulk.run(30us, 30'000, 1s);
    CHECK(bulk.rests == 0);
    Rest rest;
    Time now = kStart;
    int rests = 0;
    for (int i = 0; i < 10'000; ++i) {
      rest.on_turn(now += 20us, i % 4 == 0 ? TurnLoad{2, 65'000} : TurnLoad{4, 400});
      rests += rest.until() != Rest::kNone ? 1 : 0;
    }
    CHECK(rests == 0);
  }

  TEST_CASE("it never rests after a turn that was nearly full") {
    Rest rest;
    Time now = kStart;
    for (int i = 0; i < 1000; ++i) {
      rest.on_turn(now += 100us, {60, 60 * 200});
      CHECK(rest.until() == Rest::kNone);
    }
  }

  TEST_CASE("who waits for each answer is slowed down ever more rarely") {
    // A packet comes 40 us after the turn that dealt with the one before.
    Rest rest;
    Time now = kStart;
    int rests = 0;
    const auto run = [&](Duration length) {
      rests = 0;
      for (const Time end = now + length; now < end;) {
        const Time until = rest.until();
        rests += until != Rest::kNone ? 1 : 0;
        now = std::max<Time>(now + 40us, until);
        rest.on_turn(now, {1, 100});
      }
    };
    run(1s);
    CHECK(rests > 0);
    CHECK(rests <= 40);  // 1 % of the time
    run(10s);
    CHECK(rests <= 60);
  }

  TEST_CASE("a turn that brought nothing ends a rest and begins none") {
    Rest rest;
    Time now = kStart;
    while (rest.until() == Rest::kNone) rest.on_turn(now += 20us, {1, 200});
    rest.on_turn(now += 100us, {});
    CHECK(rest.until() == Rest::kNone);
  }
}
