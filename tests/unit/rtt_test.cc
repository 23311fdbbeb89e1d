#include "sched/rtt.h"

#include <doctest/doctest.h>

#include "sched/traffic.h"

using namespace wanbond;

TEST_SUITE("rtt") {
  TEST_CASE("RFC 6298 2.2: the first sample is the estimate, and half of it the variation") {
    RttEstimator rtt;
    CHECK_FALSE(rtt.has_sample());
    CHECK(rtt.floor() == Duration::zero());
    rtt.on_sample(Time{1s}, 40ms, PathLoad::Light);
    CHECK(rtt.srtt() == 40ms);
    CHECK(rtt.rttvar() == 20ms);
    CHECK(rtt.floor() == 40ms);
  }

  TEST_CASE("RFC 6298 2.3: later samples weigh an eighth, their deviation a quarter") {
    RttEstimator rtt;
    rtt.on_sample(Time{1s}, 40ms, PathLoad::Light);
    rtt.on_sample(Time{2s}, 80ms, PathLoad::Light);
    CHECK(rtt.srtt() == 45ms);
    CHECK(rtt.rttvar() == 25ms);
    rtt.on_sample(Time{3s}, Duration::zero(), PathLoad::Light);
    CHECK(rtt.srtt() == 45ms);
  }

  TEST_CASE("the floor follows a longer route within 20 s") {
    RttEstimator rtt;
    for (Time now{1s}; now < Time{6s}; now += 100ms) rtt.on_sample(now, 20ms, PathLoad::Light);
    for (Time now{6s}; now < Time{28s}; now += 100ms) rtt.on_sample(now, 50ms, PathLoad::Light);
    CHECK(rtt.floor() == 50ms);
  }

  TEST_CASE("a queue that we keep full for 50 s does not raise the floor") {
    RttEstimator rtt;
    for (Time now{1s}; now < Time{6s}; now += 100ms) rtt.on_sample(now, 20ms, PathLoad::Light);
    for (Time now{6s}; now < Time{56s}; now += 100ms) rtt.on_sample(now, 150ms, PathLoad::Heavy);
    CHECK(rtt.floor() == 20ms);
    CHECK(rtt.srtt() > 140ms);
  }
}

TEST_SUITE("traffic") {
  TEST_CASE("the receiver counts by epoch and tells late packets") {
    ReceiveAccount account;
    for (const std::uint32_t number : {5u, 6u, 9u, 8u}) account.on_packet(0, number, 100);
    CHECK(account.packets() == 4);
    CHECK(account.bytes() == 400);
    CHECK(account.largest() == 9);
    CHECK(account.late() == 1);
    account.on_packet(1, 0, 50);
    CHECK(account.packets() == 1);
    CHECK(account.largest() == 0);
  }

  TEST_CASE("RFC 3550 6.4.1: jitter is the mean deviation of the transit time") {
    ReceiveAccount steady, shaky;
    for (std::uint16_t i = 0; i < 1000; ++i) {
      steady.on_stamp(Time{1s}, static_cast<std::uint16_t>(i * 30),
                      static_cast<std::uint16_t>(i * 30 + 500));
      shaky.on_stamp(Time{1s}, static_cast<std::uint16_t>(i * 30),
                     static_cast<std::uint16_t>(i * 30 + 500 + (i % 2) * 100));
    }
    CHECK(steady.jitter() == Duration::zero());
    CHECK(shaky.jitter() > 3ms);
    CHECK(shaky.jitter() < 3.4ms);
    CHECK(steady.delay_stamp() == 500);
  }

  TEST_CASE("the sender sees loss and rate over a second, and a new epoch does not disturb it") {
    SendAccount account;
    account.on_report(Time{1s}, {.largest = 1000, .packets = 1000, .bytes = 0});
    account.on_report(Time{1s} + 500ms, {.largest = 1500, .packets = 1450, .bytes = 600'000});
    CHECK(account.loss_ppm() == 0);
    account.on_report(Time{2s}, {.largest = 2000, .packets = 1900, .bytes = 1'250'000});
    CHECK(account.loss_ppm() == 100'000);
    CHECK(account.rate().bits_per_second == 10'000'000);
    account.on_report(Time{3s}, {.largest = 10, .packets = 10, .bytes = 1000});
    CHECK(account.loss_ppm() == 100'000);
    account.on_report(Time{4s}, {.largest = 510, .packets = 510, .bytes = 126'000});
    CHECK(account.loss_ppm() == 0);
    CHECK(account.rate().bits_per_second == 1'000'000);
  }

  TEST_CASE("what an outage took does not count as loss, whenever the reports on it come") {
    SendAccount account;
    account.on_report(Time{1s}, {.largest = 1000, .packets = 1000, .bytes = 0});
    account.forget_outage(1500);  // 1001 to 1499 went into it
    account.on_report(Time{2s}, {.largest = 1000, .packets = 1000, .bytes = 0});
    account.on_report(Time{2s} + 10ms, {.largest = 1500, .packets = 1001, .bytes = 1000});
    account.on_report(Time{3s} + 10ms, {.largest = 2500, .packets = 2001, .bytes = 2000});
    CHECK(account.loss_ppm() == 0);
    CHECK(account.lasting_loss_ppm() == 0);
    account.forget_outage(1U << 28);  // and the numbers begin anew
    account.on_report(Time{4s}, {.largest = 10, .packets = 10, .bytes = 0});
    account.on_report(Time{5s}, {.largest = 110, .packets = 60, .bytes = 0});
    CHECK(account.loss_ppm() == 500'000);
  }
}
