// Notices (core/notices): told at once, repeated until acknowledged, the newest word wins.
#include "core/notices.h"

#include <doctest/doctest.h>

#include <vector>

using namespace wanbond;

namespace {

constexpr Duration kRtt = 40ms;
constexpr Duration kRepeat = 60ms;

PathStatusFrame status(std::uint8_t path, WirePathState state, std::uint16_t sequence = 0) {
  return {.path = PathId{path}, .state = state, .sequence = sequence};
}

const PathStatusFrame& only_status(const Notices::Frames& frames) {
  REQUIRE(frames.size() == 1);
  return std::get<PathStatusFrame>(frames[0]);
}

}  // namespace

TEST_SUITE("notices") {
  TEST_CASE("a word is sent at once and five times more, 1.5 round trips apart") {
    Notices notices;
    Time now{1s};
    notices.tell(now, status(3, WirePathState::Down));
    std::vector<Time> sent;
    for (; notices.next_timeout() != kNever; now = std::max(now, notices.next_timeout())) {
      const auto frames = notices.poll(now, kRtt);
      if (frames.empty()) continue;
      CHECK(only_status(frames).sequence == 1);
      sent.push_back(now);
      CHECK(notices.poll(now, kRtt).empty());
    }
    REQUIRE(sent.size() == 6);
    for (std::size_t i = 0; i < sent.size(); ++i)
      CHECK(sent[i] - sent[0] == kRepeat * static_cast<int>(i));
  }

  TEST_CASE("an acknowledged word is not repeated, another number's does not count") {
    Notices notices;
    notices.tell(Time{1s}, status(3, WirePathState::Down));
    notices.tell(Time{1s}, status(4, WirePathState::Down));
    REQUIRE(notices.poll(Time{1s}, kRtt).size() == 2);
    AckFrame ack;
    REQUIRE(ack.sequences.push(2));
    REQUIRE(ack.sequences.push(77));
    notices.on_ack(ack);
    CHECK(only_status(notices.poll(Time{2s}, kRtt)).path == PathId{3});
  }

  TEST_CASE("a newer word of a path takes the place of the older one") {
    Notices notices;
    notices.tell(Time{1s}, status(3, WirePathState::Down));
    REQUIRE_FALSE(notices.poll(Time{1s}, kRtt).empty());
    CHECK(notices.has_told(PathId{3}));
    notices.tell(Time{1s}, status(3, WirePathState::Up));
    CHECK_FALSE(notices.has_told(PathId{3}));
    const auto frames = notices.poll(Time{1s}, kRtt);
    CHECK(only_status(frames).state == WirePathState::Up);
    CHECK(only_status(frames).sequence == 2);
  }

  TEST_CASE("a Down that never left is not taken back by an Up, but forgotten") {
    Notices notices;
    notices.tell(Time{1s}, status(3, WirePathState::Down));
    notices.tell(Time{2s}, status(3, WirePathState::Up));
    CHECK(notices.poll(Time{2s}, kRtt).empty());
    CHECK(notices.next_timeout() == kNever);
  }

  TEST_CASE("of what the peer says only the newest of each path and address is news") {
    Notices notices;
    CHECK(notices.is_news(status(3, WirePathState::Down, 0xfffe)));
    CHECK_FALSE(notices.is_news(status(3, WirePathState::Down, 0xfffe)));  // a copy
    CHECK(notices.is_news(status(3, WirePathState::Up, 2)));               // over the wrap
    CHECK_FALSE(notices.is_news(status(3, WirePathState::Down, 0xffff)));
    CHECK(notices.is_news(status(4, WirePathState::Down, 1)));  // another path
    CHECK(notices.is_news(AddrFrame{.sequence = 1, .address_id = 4}));
    CHECK_FALSE(notices.is_news(PathAbandonFrame{.path = PathId{3}, .sequence = 1}));
    CHECK(notices.is_news(PathAbandonFrame{.path = PathId{3}, .sequence = 3}));
    CHECK_FALSE(notices.is_news(AddrFrame{.sequence = 9, .address_id = 16}));  // not allowed
    notices.reset();
    CHECK(notices.is_news(status(3, WirePathState::Down, 1)));
  }

  TEST_CASE("more than one packet's worth is handed out in parts, all of it once") {
    Notices notices;
    for (std::uint8_t i = 0; i < 20; ++i) notices.tell(Time{1s}, status(i, WirePathState::Down));
    std::size_t count = 0;
    for (auto frames = notices.poll(Time{1s}, kRtt); !frames.empty();
         frames = notices.poll(Time{1s}, kRtt))
      count += frames.size();
    CHECK(count == 20);
  }

  TEST_CASE("the shortest wait is 20 ms") {
    Notices notices;
    notices.tell(Time{1s}, status(1, WirePathState::Down));
    (void)notices.poll(Time{1s}, Duration(1ms));
    CHECK(notices.next_timeout() == Time{1s} + 20ms);
  }
}
