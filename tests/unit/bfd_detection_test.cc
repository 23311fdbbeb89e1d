// How long BFD waits for a sign of life where a path loses packets or holds them up.
#include <doctest/doctest.h>

#include "proto/bfd.h"
#include "tests/sim/seeded_random.h"

using namespace wanbond;
using wanbond::sim::SeededRandom;

namespace {

constexpr Time kStart{1s};

}  // namespace

TEST_SUITE("bfd_detection") {
  TEST_CASE("the multiplier for a loss is that of the protocol's table") {
    struct Row {
      std::uint32_t loss_ppm;
      Duration interval;
      int mult;
    };
    const Row rows[] = {{0, 20ms, 1},        {10'000, 20ms, 4},     {20'000, 20ms, 5},
                        {50'000, 20ms, 6},   {100'000, 20ms, 8},    {200'000, 20ms, 11},
                        {900'000, 20ms, 25}, {1'000'000, 20ms, 25}, {2'000'000, 20ms, 25},
                        {10'000, 300ms, 4},  {100'000, 300ms, 7},   {10'000, 1s, 3}};
    for (const Row& row : rows) {
      CAPTURE(row.loss_ppm);
      CHECK(detect_mult_for(row.loss_ppm, row.interval) == row.mult);
    }
  }

  TEST_CASE("patience lengthens detection by whole intervals, to 25 of them, unless strict") {
    for (const BfdLiveness liveness : {BfdLiveness::AnyPacket, BfdLiveness::Strict}) {
      const bool is_strict = liveness == BfdLiveness::Strict;
      SeededRandom random(1);
      BfdSession session(kStart, {.intervals = kBfdActive, .liveness = liveness}, random);
      const BfdControl init{.state = BfdState::Init,
                            .detect_mult = 4,
                            .my_discriminator = 7,
                            .your_discriminator = session.my_discriminator(),
                            .desired_min_tx = 20ms,
                            .required_min_rx = 20ms};
      (void)session.on_control(kStart, init);
      REQUIRE(session.state() == BfdState::Up);
      const Duration usual = session.detection_time();
      session.set_patience(19ms);
      CHECK(session.detection_time() == usual);
      session.set_patience(59ms);
      CHECK(session.detection_time() == usual + (is_strict ? 0ms : 40ms));
      session.set_patience(10s);
      CHECK(session.detection_time() == (is_strict ? usual : 25 * 20ms));
    }
  }
}
