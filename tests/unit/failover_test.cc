#include "sched/failover.h"

#include <doctest/doctest.h>

#include <vector>

#include "sched/hold_down.h"

using namespace wanbond;

namespace {

PathView view(std::uint8_t id, Usability usability, Duration delay, unsigned rank = 0) {
  return {PathId{id}, usability, rank, delay};
}

constexpr auto kUsable = Usability::Usable;

}  // namespace

TEST_SUITE("failover") {
  TEST_CASE("takes the least delay of the best rank") {
    Failover failover;
    const std::vector<PathView> paths{view(0, kUsable, 40ms), view(1, kUsable, 10ms),
                                      view(2, kUsable, 1ms, 1)};
    const auto move = failover.update(Time{1s}, paths);
    REQUIRE(move);
    CHECK(move->to == PathId{1});
    CHECK(move->reason == MoveReason::First);
    CHECK_FALSE(failover.update(Time{2s}, paths));
  }

  TEST_CASE("leaves a failed path at once and returns after 100 ms of its being better") {
    Failover failover;
    std::vector<PathView> paths{view(0, kUsable, 10ms), view(1, kUsable, 40ms)};
    (void)failover.update(Time{1s}, paths);
    paths[0].usability = Usability::Never;
    const auto away = failover.update(Time{2s}, paths);
    REQUIRE(away);
    CHECK(away->to == PathId{1});
    CHECK(away->reason == MoveReason::Failover);
    paths[0].usability = kUsable;
    CHECK_FALSE(failover.update(Time{3s}, paths));
    CHECK(failover.next_timeout() == Time{3s} + 100ms);
    const auto back = failover.update(Time{3s} + 100ms, paths);
    REQUIRE(back);
    CHECK(back->to == PathId{0});
    CHECK(back->reason == MoveReason::Revert);
  }

  TEST_CASE("leaves a suspect path at once, but keeps it when it is the last") {
    Failover failover;
    std::vector<PathView> paths{view(0, kUsable, 10ms), view(1, kUsable, 40ms)};
    (void)failover.update(Time{1s}, paths);
    paths[0].usability = Usability::LastResort;
    CHECK(failover.update(Time{2s}, paths)->to == PathId{1});
    paths[1].usability = Usability::Never;
    CHECK(failover.update(Time{3s}, paths)->to == PathId{0});
    paths[0].usability = Usability::Never;
    const auto none = failover.update(Time{4s}, paths);
    REQUIRE(none);
    CHECK_FALSE(none->to);
    CHECK_FALSE(failover.update(Time{5s}, paths));
  }

  TEST_CASE("a flapping path is used when nothing else is there") {
    Failover failover;
    std::vector<PathView> paths{view(0, Usability::Held, 10ms), view(1, kUsable, 80ms)};
    CHECK(failover.update(Time{1s}, paths)->to == PathId{1});
    paths[1].usability = Usability::Never;
    CHECK(failover.update(Time{2s}, paths)->to == PathId{0});
  }

  TEST_CASE("a small or brief difference of delay moves nothing") {
    Failover failover;
    std::vector<PathView> paths{view(0, kUsable, 20ms), view(1, kUsable, 30ms)};
    (void)failover.update(Time{1s}, paths);
    paths[1].delay = 18ms;
    for (Time now{2s}; now < Time{4s}; now += 50ms) CHECK_FALSE(failover.update(now, paths));
    for (Time now{4s}; now < Time{6s}; now += 50ms) {
      paths[1].delay = (now - Time{4s}) / 50ms % 2 == 0 ? 5ms : 30ms;
      CHECK_FALSE(failover.update(now, paths));
    }
  }
}

TEST_SUITE("hold down") {
  TEST_CASE("what is repaired waits half a second after the third down, the rest a second") {
    HoldDown hold;
    for (int i = 0; i < 3; ++i) {
      CHECK_FALSE(hold.is_held(Time{10s + i * 2s}));
      hold.on_down(Time{10s + i * 2s});
      hold.on_up(Time{11s + i * 2s});
    }
    const Time up{15s};
    CHECK(hold.is_held_repaired(up + 499ms));
    CHECK(hold.next_timeout(up) == up + 500ms);
    CHECK_FALSE(hold.is_held_repaired(up + 500ms));
    CHECK(hold.is_held(up + 999ms));
    CHECK(hold.next_timeout(up + 500ms) == up + 1s);
    CHECK_FALSE(hold.is_held(up + 1s));
  }

  TEST_CASE("two failures in 30 s cost nothing, the third costs a second") {
    HoldDown hold;
    for (const Time down : {Time{1s}, Time{5s}}) {
      hold.on_down(down);
      hold.on_up(down + 1s);
      CHECK_FALSE(hold.is_held(down + 1s));
    }
    hold.on_down(Time{10s});
    hold.on_up(Time{11s});
    CHECK(hold.is_held(Time{11s}));
    CHECK(hold.next_timeout(Time{11s}) == Time{11s + HoldDown::kRepairedMax});
    CHECK_FALSE(hold.is_held(Time{12s}));
  }

  TEST_CASE("failures far apart cost nothing") {
    HoldDown hold;
    for (Time now{1s}; now < Time{1000s}; now += 31s) {
      hold.on_down(now);
      hold.on_up(now + 1s);
      CHECK_FALSE(hold.is_held(now + 1s));
    }
  }

  TEST_CASE("the wait doubles to a minute and halves with each stable one") {
    HoldDown hold;
    Time now{1s};
    for (int i = 0; i < 12; ++i, now += 5s) {
      hold.on_down(now);
      hold.on_up(now + 1s);
    }
    CHECK(hold.hold() == 60s);
    now += 10min;
    hold.on_down(now);
    CHECK(hold.hold() < 1s);
  }
}
