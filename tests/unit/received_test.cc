#include "sched/received.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace wanbond;

namespace {

using Place = ReceivedNumbers::Place;

std::vector<NumberRange> runs(const ReceivedNumbers& received) {
  return {received.ranges().begin(), received.ranges().end()};
}

}  // namespace

TEST_SUITE("received") {
  TEST_CASE("numbers in order make one run") {
    ReceivedNumbers received;
    CHECK(received.ranges().empty());
    for (std::uint32_t n = 7; n < 100; ++n) CHECK(received.on_number(n) == Place::Next);
    CHECK(runs(received) == std::vector<NumberRange>{{7, 99}});
  }

  TEST_CASE("a gap opens a run, late numbers close it") {
    ReceivedNumbers received;
    for (const std::uint32_t n : {1U, 2U}) (void)received.on_number(n);
    CHECK(received.on_number(6) == Place::Gap);
    CHECK(received.on_number(4) == Place::Late);
    CHECK(runs(received) == std::vector<NumberRange>{{6, 6}, {4, 4}, {1, 2}});
    CHECK(received.on_number(3) == Place::Late);
    CHECK(runs(received) == std::vector<NumberRange>{{6, 6}, {1, 4}});
    CHECK(received.on_number(5) == Place::Late);
    CHECK(runs(received) == std::vector<NumberRange>{{1, 6}});
    CHECK(received.on_number(4) == Place::Late);  // seen before
    CHECK(runs(received) == std::vector<NumberRange>{{1, 6}});
  }

  TEST_CASE("of more runs than are kept the oldest go") {
    ReceivedNumbers received;
    for (std::uint32_t n = 0; n < 100; ++n) (void)received.on_number(2 * n);
    REQUIRE(received.ranges().size() == ReceivedNumbers::kRangesMax);
    CHECK(received.ranges().front() == NumberRange{198, 198});
    CHECK(received.on_number(3) == Place::Late);  // older than all that is kept
    CHECK(received.ranges().size() == ReceivedNumbers::kRangesMax);
    CHECK(received.ranges().back().first == 200 - 2 * ReceivedNumbers::kRangesMax);
  }

  TEST_CASE("numbers that start anew far below begin a new list") {
    ReceivedNumbers received;
    (void)received.on_number(ReceivedNumbers::kRestartDistance + 10);
    (void)received.on_number(3);
    CHECK(runs(received) == std::vector<NumberRange>{{3, 3}});
  }

  TEST_CASE("runs say exactly what arrived, in any order") {
    std::uint32_t seed = 12345;
    const auto random = [&seed] { return seed = seed * 1664525 + 1013904223; };
    for (int round = 0; round < 200; ++round) {
      ReceivedNumbers received;
      std::set<std::uint32_t> model;
      for (int i = 0; i < 40; ++i) {
        const std::uint32_t n = random() >> 27;  // below 32: at most 16 runs
        (void)received.on_number(n);
        model.insert(n);
      }
      std::set<std::uint32_t> said;
      std::uint32_t before = 1000;
      for (const NumberRange& range : received.ranges()) {
        CHECK(range.last + 1 < before);
        before = range.first;
        for (std::uint32_t n = range.first; n <= range.last; ++n) said.insert(n);
      }
      CHECK(said == model);
    }
  }
}
