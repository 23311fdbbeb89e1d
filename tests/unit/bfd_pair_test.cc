// Two BFD sessions against each other over a link with delay and loss, in virtual time.
#include "bfd_pair.h"

#include <doctest/doctest.h>

using namespace wanbond;
using wanbond::test::BfdPair;

namespace {

constexpr Duration kDelay = 20ms;
constexpr std::uint32_t kAll = 1'000'000;

/// A pair that is Up on both ends with the same settings and has ended its first Polls.
struct UpPair : BfdPair {
  explicit UpPair(const BfdSettings& settings = {}, std::uint64_t seed = 1)
      : BfdPair(kDelay, seed) {
    start(0, settings);
    start(1, settings);
    run_until_up();
  }
};

}  // namespace

TEST_SUITE("bfd_pair") {
  TEST_CASE("both ends are Up within 1.5 round trips of the later start") {
    for (const Duration offset : {0ms, 1ms, 7ms, 20ms, 39ms, 300ms, 2100ms}) {
      CAPTURE(offset.count());
      BfdPair pair(kDelay);
      pair.start(0);
      pair.run(offset);
      pair.start(1);
      const Time started = pair.now;
      pair.run(3 * kDelay);
      CHECK(pair.ends[0]->state() == BfdState::Up);
      CHECK(pair.ends[1]->state() == BfdState::Up);
      CHECK(pair.ends[0].first(BfdState::Up, started) <= started + 3 * kDelay);
    }
  }

  TEST_CASE("bring-up takes few packets even where the link has no delay to speak of") {
    BfdPair pair(10us);
    pair.start(0);
    pair.start(1);
    pair.run(10ms);
    CHECK(pair.ends[0]->state() == BfdState::Up);
    CHECK(pair.ends[0].sent.size() <= 6);
    CHECK(pair.ends[1].sent.size() <= 6);
  }

  TEST_CASE("an idle active path sends 50 to 67 packets a second") {
    UpPair pair;
    pair.ends[0].sent.clear();
    pair.run(10s);
    CHECK(pair.ends[0].sent.size() >= 500);
    CHECK(pair.ends[0].sent.size() <= 667);
    CHECK(pair.ends[0].busiest(1s) <= 67);
  }

  TEST_CASE("a cut is detected within detection time and the delay of the link") {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      CAPTURE(seed);
      UpPair pair({}, seed);
      pair.run(std::chrono::milliseconds(seed));
      const Time cut = pair.now;
      pair.loss_ppm = {kAll, kAll};
      pair.run(1s);
      for (const auto& end : pair.ends) {
        const Time down = end.first(BfdState::Down, cut);
        // The last packet left up to 20 ms before the cut and took kDelay.
        CHECK(down >= cut + 60ms + kDelay);
        CHECK(down <= cut + 80ms + kDelay);
        CHECK(end.changes.back().diag == BfdDiag::DetectionTimeExpired);
      }
    }
  }

  TEST_CASE("after a cut both ends fall back to one packet a second, and return when it ends") {
    UpPair pair;
    pair.loss_ppm = {kAll, kAll};
    pair.run(2s);
    pair.ends[0].sent.clear();
    pair.run(20s);
    CHECK(pair.ends[0].sent.size() >= 20);
    CHECK(pair.ends[0].sent.size() <= 27);
    pair.loss_ppm = {0, 0};
    const Time healed = pair.now;
    pair.run(2s);
    for (const auto& end : pair.ends)
      CHECK(end.first(BfdState::Up, healed) <= healed + 1s + 3 * kDelay);
  }

  TEST_CASE("one-way loss takes both ends Down and keeps them there") {
    UpPair pair;
    const Time cut = pair.now;
    pair.loss_ppm[0] = kAll;
    pair.run(10s);
    const Time deaf = pair.ends[1].first(BfdState::Down, cut);
    const Time told = pair.ends[0].first(BfdState::Down, cut);
    CHECK(deaf <= cut + 80ms + kDelay);
    CHECK(told == deaf + kDelay);
    CHECK(pair.ends[0].first(BfdState::Up, cut) == kNever);
    CHECK(pair.ends[1].first(BfdState::Up, cut) == kNever);
    for (const auto& change : pair.ends[0].changes)
      if (change.time == told) CHECK(change.diag == BfdDiag::NeighborSignaledDown);
    pair.loss_ppm[0] = 0;
    pair.run(2s);
    CHECK(pair.ends[0]->state() == BfdState::Up);
    CHECK(pair.ends[1]->state() == BfdState::Up);
  }

  TEST_CASE("RFC 5880 6.8.16: AdminDown is told, held, and taken back") {
    UpPair pair;
    const Time set = pair.now;
    pair.note(0, pair.ends[0]->set_admin_down(set));
    pair.run(10s);
    CHECK(pair.ends[0]->state() == BfdState::AdminDown);
    CHECK(pair.ends[0]->diag() == BfdDiag::AdministrativelyDown);
    CHECK(pair.ends[1].first(BfdState::Down, set) == set + kDelay);
    CHECK(pair.ends[1]->diag() == BfdDiag::NeighborSignaledDown);
    CHECK(pair.ends[1]->remote_state() == BfdState::AdminDown);
    CHECK(pair.ends[1].changes.size() == 3);  // Init, Up, Down
    const Time cleared = pair.now;
    pair.note(0, pair.ends[0]->clear_admin_down(cleared));
    pair.run(3 * kDelay);
    CHECK(pair.ends[0]->state() == BfdState::Up);
    CHECK(pair.ends[1]->state() == BfdState::Up);
  }

  TEST_CASE("a restart with a new discriminator is noticed at once and costs two round trips") {
    UpPair pair;
    const std::uint32_t old = pair.ends[0]->my_discriminator();
    const Time restarted = pair.now;
    pair.start(0);
    CHECK(pair.ends[0]->my_discriminator() != old);
    pair.run(4 * kDelay);
    CHECK(pair.ends[1].first(BfdState::Down, restarted) == restarted + kDelay);
    CHECK(pair.ends[0]->state() == BfdState::Up);
    CHECK(pair.ends[1]->state() == BfdState::Up);
  }

  TEST_CASE("RFC 5880 6.8.3: intervals change in both directions without a Down") {
    UpPair pair;
    const std::size_t before = pair.ends[0].changes.size();
    for (const BfdIntervals& intervals : {kBfdIdle, kBfdActive, kBfdMetered, kBfdActive}) {
      for (auto& end : pair.ends) end->set_intervals(pair.now, intervals);
      pair.run(6s);
      for (auto& end : pair.ends) {
        CHECK(end->transmit_interval() == intervals.desired_min_tx);
        CHECK(end->detection_time() == intervals.detect_mult * intervals.required_min_rx);
      }
    }
    CHECK(pair.ends[0].changes.size() == before);
    CHECK(pair.ends[1].changes.size() == before);
  }

  TEST_CASE("RFC 5880 6.8.3: while no Final comes, slower sending does not begin") {
    UpPair pair;
    pair.ends[1]->set_intervals(pair.now, {20ms, 20ms, 25});
    pair.run(1s);
    pair.loss_ppm[1] = kAll;
    pair.ends[0]->set_intervals(pair.now, {500ms, 20ms, 4});
    pair.ends[0].sent.clear();
    pair.run(70ms);
    CHECK(pair.ends[0].sent.size() >= 3);
    CHECK(pair.ends[0]->transmit_interval() == 20ms);
    pair.loss_ppm[1] = 0;
    pair.run(3s);
    CHECK(pair.ends[0]->state() == BfdState::Up);
    CHECK(pair.ends[0]->transmit_interval() == 500ms);
  }

  TEST_CASE("traffic stands for BFD packets, but one in ten intervals is sent") {
    UpPair pair;
    pair.run(2s);
    pair.ends[0].sent.clear();
    for (int ms = 0; ms < 10'000; ++ms) {
      pair.run(1ms);
      pair.ends[0]->on_sent(pair.now);
      pair.ends[1]->on_sign_of_life(pair.now);
    }
    CHECK(pair.ends[0].sent.size() >= 49);
    CHECK(pair.ends[0].sent.size() <= 52);
    CHECK(pair.ends[1]->state() == BfdState::Up);
  }

  TEST_CASE("when traffic ends, the next BFD packet follows within one interval") {
    UpPair pair;
    for (int ms = 0; ms < 1'013; ++ms) {
      pair.run(1ms);
      pair.ends[0]->on_sent(pair.now);
    }
    const Time last = pair.now;
    pair.ends[0].sent.clear();
    pair.run(1s);
    REQUIRE_FALSE(pair.ends[0].sent.empty());
    CHECK(pair.ends[0].sent.front() <= last + 20ms);
  }

  TEST_CASE("strict sessions send every packet, whatever else is sent") {
    UpPair pair({.liveness = BfdLiveness::Strict});
    pair.ends[0].sent.clear();
    for (int ms = 0; ms < 10'000; ++ms) {
      pair.run(1ms);
      pair.ends[0]->on_sent(pair.now);
    }
    CHECK(pair.ends[0].sent.size() >= 500);
  }

  TEST_CASE("loss, restarts and changes of interval never make a storm") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      BfdPair pair(1ms, seed);
      pair.start(0);
      pair.start(1);
      pair.loss_ppm = {400'000, 300'000};
      for (int i = 0; i < 60; ++i) {
        pair.run(500ms);
        auto& end = *pair.ends[static_cast<std::size_t>(i % 2)];
        if (i % 5 == 0) pair.note(static_cast<std::size_t>(i % 2), end.restart(pair.now));
        if (i % 3 == 0) end.set_intervals(pair.now, i % 2 == 0 ? kBfdIdle : kBfdActive);
      }
      // 67 periodic, a Final for each of the other side's, and the bounded immediate ones.
      for (const auto& end : pair.ends)
        CHECK(end.busiest(1s) <= 2 * (67 + 2 * static_cast<std::size_t>(kBfdImmediateCountMax)));
      pair.loss_ppm = {0, 0};
      pair.run(5s);
      CHECK(pair.ends[0]->state() == BfdState::Up);
      CHECK(pair.ends[1]->state() == BfdState::Up);
    }
  }

  TEST_CASE("clocks that differ by 1 percent cause no Down") {
    // The faster end asks for, and sends at, what the slower one takes for 19.8 ms.
    BfdPair pair(kDelay);
    pair.start(0, {.intervals = {19'800us, 20ms, 4}});
    pair.start(1, {.intervals = {20ms, 20'200us, 4}});
    pair.run(60s);
    CHECK(pair.ends[0].changes.size() == 2);
    CHECK(pair.ends[1].changes.size() == 2);
  }
}
