#include "core/admission.h"

#include <doctest/doctest.h>

#include "core/answer_cache.h"
#include "core/slots.h"
#include "tests/sim/seeded_random.h"

using namespace wanbond;

TEST_SUITE("admission") {
  TEST_CASE("a token bucket gives its burst at once and then its rate") {
    TokenBucket bucket(10, 3);
    Time now{5s};
    int taken = 0;
    while (bucket.take(now)) ++taken;
    CHECK(taken == 3);
    CHECK(bucket.next_permit(now) == now + 100ms);
    for (int i = 0; i < 1000; ++i) {
      now += 10ms;
      if (bucket.take(now)) ++taken;
    }
    CHECK(taken == 103);
  }

  TEST_CASE("one source gets 20 handshakes a second, another is not hindered") {
    sim::SeededRandom random(1);
    Admission admission(random);
    const auto source = *IpAddress::parse("192.0.2.1");
    int allowed = 0;
    for (Time now{1s}; now < Time{11s}; now += 1ms)
      allowed += admission.source_allowed(now, source);
    CHECK(allowed >= 200);
    CHECK(allowed <= 206);
    CHECK(admission.source_allowed(Time{11s}, *IpAddress::parse("198.51.100.1")));
  }

  TEST_CASE("all addresses of an IPv6 /64 are one source") {
    sim::SeededRandom random(1);
    Admission admission(random);
    int allowed = 0;
    for (int i = 1; i <= 100; ++i) {
      const auto address = *IpAddress::parse("2001:db8::" + std::to_string(i));
      allowed += admission.source_allowed(Time{1s}, address);
    }
    CHECK(allowed == 5);
    CHECK(admission.source_allowed(Time{1s}, *IpAddress::parse("2001:db8:0:1::1")));
  }

  TEST_CASE("the queue is bounded, first in first out, and makes load from 512 on") {
    sim::SeededRandom random(1);
    Admission admission(random);
    const Time now{1s};
    PendingHandshake message{};
    for (std::uint16_t i = 0; i < 4096; ++i) {
      CHECK(admission.under_load(now) == (i >= 512));
      message.size = i % 170;
      REQUIRE(admission.push(now, message));
    }
    CHECK_FALSE(admission.push(now, message));
    CHECK(admission.pop(now)->size == 0);
    CHECK(admission.pop(now)->size == 1);
    CHECK(admission.push(now, message));
  }

  TEST_CASE("no more than 1000 handshakes a second are worked off") {
    sim::SeededRandom random(1);
    Admission admission(random);
    const PendingHandshake message{};
    int worked_off = 0;
    for (Time now{1s}; now < Time{3s}; now += 100us) {
      (void)admission.push(now, message);
      if (admission.pop(now)) ++worked_off;
    }
    CHECK(worked_off >= 1990);
    CHECK(worked_off <= 2012);
  }

  TEST_CASE("load is remembered for a second after the queue has drained") {
    sim::SeededRandom random(1);
    Admission admission(random);
    Time now{1s};
    for (int i = 0; i < 600; ++i) (void)admission.push(now, {});
    while (admission.next_timeout(now) != kNever) {
      now = std::max(now, admission.next_timeout(now));
      (void)admission.pop(now);
    }
    CHECK(admission.under_load(now));
    CHECK_FALSE(admission.under_load(now + 1s));
  }
}

TEST_SUITE("slots") {
  TEST_CASE("a slot is found with any path bits until it is released") {
    sim::SeededRandom random(1);
    SlotTable slots;
    const auto base = slots.allocate({PeerId{7}, 2}, random);
    REQUIRE(base);
    CHECK((*base & 63) == 0);
    CHECK(*base < 1u << 24);
    CHECK(slots.find(*base | 63)->peer == PeerId{7});
    CHECK(slots.find(*base | 5)->epoch == 2);
    slots.assign(*base, {PeerId{8}, 1});
    CHECK(slots.find(*base)->peer == PeerId{8});
    slots.release(*base);
    CHECK_FALSE(slots.find(*base));
  }

  TEST_CASE("ten thousand slots are all different and never zero") {
    sim::SeededRandom random(1);
    SlotTable slots;
    std::vector<bool> seen(SlotTable::kSlotCount);
    for (int i = 0; i < 10'000; ++i) {
      const auto base = slots.allocate({PeerId{1}, 0}, random);
      REQUIRE(base);
      REQUIRE(*base != 0);
      REQUIRE_FALSE(seen[*base >> 6]);
      seen[*base >> 6] = true;
    }
  }
}

TEST_SUITE("answer cache") {
  TEST_CASE("a repeated HS_INIT is answered eight times in five seconds, then no more") {
    AnswerCache cache;
    InitMessage init{};
    init[20] = std::byte{1};
    RespMessage answer{};
    answer[0] = std::byte{9};
    CHECK(cache.find(Time{1s}, init).answer == nullptr);
    cache.store(Time{1s}, init, answer);
    for (int i = 0; i < 7; ++i) {
      const auto found = cache.find(Time{2s}, init);
      REQUIRE(found.answer != nullptr);
      CHECK(*found.answer == answer);
    }
    CHECK(cache.find(Time{2s}, init).spent);
    CHECK_FALSE(cache.find(Time{6s}, init).spent);
  }

  TEST_CASE("another mac2 is the same message, another payload is not") {
    AnswerCache cache;
    InitMessage init{};
    cache.store(Time{1s}, init, {});
    init[170] = std::byte{1};
    CHECK(cache.find(Time{1s}, init).answer != nullptr);
    init[100] = std::byte{1};
    CHECK(cache.find(Time{1s}, init).answer == nullptr);
  }
}
