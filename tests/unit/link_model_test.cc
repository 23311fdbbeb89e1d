#include "lab/link_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

using namespace wanbond;

namespace {

constexpr std::uint64_t kMega = 1'000'000;
constexpr Time kStart{1s};

// A seed from the environment, else a fixed one; every statistical test prints it.
std::uint64_t test_seed() {
  const char* text = std::getenv("WANBOND_SEED");
  return text == nullptr ? 20240607 : std::strtoull(text, nullptr, 10);
}

std::vector<LinkDeparture> pop_all(LinkModel& link, Time now) {
  std::vector<LinkDeparture> all;
  while (const auto departure = link.pop_due(now)) all.push_back(*departure);
  return all;
}

// Pushes `count` packets of `size`, one every `gap`, popping on time; handles count from 0.
std::vector<LinkDeparture> run(LinkModel& link, std::uint32_t count, std::uint32_t size,
                               Duration gap) {
  std::vector<LinkDeparture> all;
  Time now = kStart;
  for (std::uint32_t i = 0; i < count; ++i, now += gap) {
    for (const auto& departure : pop_all(link, now)) all.push_back(departure);
    (void)link.push(now, {i, size});
  }
  for (const auto& departure : pop_all(link, now + 1h)) all.push_back(departure);
  return all;
}

std::uint64_t count_of(const LinkModel& link, LinkFate fate) {
  return link.counters().packets[static_cast<std::size_t>(fate)];
}

std::vector<Duration> delays(const std::vector<LinkDeparture>& departures, Duration gap) {
  std::vector<Duration> result;
  for (const auto& d : departures)
    result.push_back(d.due - (kStart + static_cast<int>(d.packet.handle) * gap));
  return result;
}

bool in_order(const std::vector<LinkDeparture>& departures) {
  return std::is_sorted(departures.begin(), departures.end(), [](const auto& a, const auto& b) {
    return a.packet.handle < b.packet.handle;
  });
}

}  // namespace

TEST_SUITE("link_model") {
  TEST_CASE("delay is exact, and nothing comes early") {
    for (const auto semantics : {LinkSemantics::Link, LinkSemantics::Netem}) {
      LinkModel link({.semantics = semantics, .delay = 20ms}, 1);
      CHECK(link.next_timeout() == kNever);
      CHECK(link.push(kStart, {7, 1500}) == LinkFate::Delivered);
      CHECK(link.next_timeout() == kStart + 20ms);
      CHECK_FALSE(link.pop_due(kStart + 20ms - 1ns));
      const auto departure = link.pop_due(kStart + 1h);
      REQUIRE(departure);
      CHECK(departure->packet.handle == 7);
      CHECK(departure->due == kStart + 20ms);
      CHECK(link.next_timeout() == kNever);
    }
  }

  TEST_CASE("rate is exact over one second, with the overhead counted") {
    for (const auto semantics : {LinkSemantics::Link, LinkSemantics::Netem}) {
      LinkModel link({.semantics = semantics,
                      .delay = 10ms,
                      .rate = {100 * kMega},
                      .overhead_bytes = 14,
                      .queue_packets_max = 0},
                     1);
      for (std::uint32_t i = 0; i < 10000; ++i) (void)link.push(kStart, {i, 1486});
      // 1500 bytes at 100 Mbit/s take 120 us: the 8333rd is out after 0.99996 s.
      CHECK(pop_all(link, kStart + 10ms + 1s).size() == 8333);
      CHECK(pop_all(link, kStart + 10ms + 1s + 80us).size() == 1);
    }
  }

  TEST_CASE("Link: the queue's limits count what waits, not what travels") {
    LinkModel packets({.delay = 1s, .rate = {12 * kMega}, .queue_packets_max = 10}, 1);
    LinkModel bytes(
        {.delay = 1s, .rate = {12 * kMega}, .overhead_bytes = 14, .queue_bytes_max = 15140}, 1);
    for (auto* link : {&packets, &bytes}) {
      for (std::uint32_t i = 0; i < 12; ++i)
        CHECK(link->push(kStart, {i, 1500}) ==
              (i < 10 ? LinkFate::Delivered : LinkFate::QueueFull));
      CHECK(link->queue_packets() == 10);
      CHECK(count_of(*link, LinkFate::QueueFull) == 2);
      // One packet takes 1 ms (1.0094 ms with overhead): then there is room for one more.
      CHECK(link->push(kStart + 1010us, {12, 1500}) == LinkFate::Delivered);
      CHECK(link->push(kStart + 1010us, {13, 1500}) == LinkFate::QueueFull);
    }
    CHECK(bytes.queue_bytes() == 15140);
  }

  TEST_CASE("Netem: the limit counts every packet in the link") {
    LinkModel link({.semantics = LinkSemantics::Netem, .delay = 1s, .queue_packets_max = 1000}, 1);
    for (std::uint32_t i = 0; i < 1001; ++i)
      CHECK(link.push(kStart + i * 1us, {i, 1500}) ==
            (i < 1000 ? LinkFate::Delivered : LinkFate::QueueFull));
    CHECK(pop_all(link, kStart + 1s).size() == 1);
    CHECK(link.push(kStart + 1s, {1, 1500}) == LinkFate::Delivered);
    CHECK(link.queue_packets() == 1000);
  }

  TEST_CASE("an empty queue takes a packet that is larger than its limit") {
    LinkModel link({.rate = {8 * kMega}, .queue_bytes_max = 100}, 1);
    CHECK(link.push(kStart, {0, 1500}) == LinkFate::Delivered);
    CHECK(link.push(kStart, {1, 10}) == LinkFate::QueueFull);
  }

  TEST_CASE("without jitter both semantics keep the same times") {
    // 1500 bytes at 12 Mbit/s take 1 ms. Two packets at once, then one 5 ms later.
    for (const auto semantics : {LinkSemantics::Link, LinkSemantics::Netem}) {
      LinkModel link({.semantics = semantics, .delay = 10ms, .rate = {12 * kMega}}, 1);
      (void)link.push(kStart, {0, 1500});
      (void)link.push(kStart, {1, 1500});
      (void)link.push(kStart + 5ms, {2, 1500});
      const auto out = pop_all(link, kStart + 1s);
      REQUIRE(out.size() == 3);
      CHECK(out[0].due == kStart + 11ms);
      CHECK(out[1].due == kStart + 12ms);
      CHECK(out[2].due == kStart + 16ms);
    }
  }

  TEST_CASE("a shorter delay: Netem sends the next packet at the rate, behind the one before") {
    LinkModel link({.semantics = LinkSemantics::Netem, .delay = 10ms, .rate = {12 * kMega}}, 1);
    (void)link.push(kStart, {0, 1500});
    LinkSettings faster = link.settings();
    faster.delay = 5ms;
    link.set(kStart, faster);
    (void)link.push(kStart, {1, 1500});
    CHECK(pop_all(link, kStart + 1s).back().due == kStart + 12ms);
  }

  TEST_CASE("random loss keeps its rate") {
    const std::uint64_t seed = test_seed();
    INFO("WANBOND_SEED=" << seed);
    for (const auto semantics : {LinkSemantics::Link, LinkSemantics::Netem}) {
      for (const std::uint32_t ppm : {5000u, 20000u, 300000u}) {
        LinkModel link({.semantics = semantics, .loss_ppm = ppm}, seed);
        const std::uint32_t count = 200'000;
        run(link, count, 100, 1us);
        const double p = ppm / 1e6, expected = count * p;
        const double sigma = std::sqrt(count * p * (1 - p));
        CHECK(std::abs(static_cast<double>(count_of(link, LinkFate::Lost)) - expected) < 5 * sigma);
      }
    }
  }

  TEST_CASE("a packet lost in Link has used the line, in Netem it has not") {
    for (const auto semantics : {LinkSemantics::Link, LinkSemantics::Netem}) {
      const bool netem = semantics == LinkSemantics::Netem;
      LinkModel link({.semantics = semantics, .rate = {12 * kMega}, .loss_ppm = 1'000'000}, 1);
      CHECK(link.push(kStart, {0, 1500}) == (netem ? LinkFate::Lost : LinkFate::Delivered));
      if (netem) link.set(kStart, {.semantics = semantics, .rate = {12 * kMega}});
      CHECK(link.push(kStart, {1, 1500}) == LinkFate::Delivered);
      if (!netem) link.set(kStart + 1ms, {.rate = {12 * kMega}});
      CHECK(count_of(link, LinkFate::Lost) == 1);
      const auto out = pop_all(link, kStart + 1s);
      REQUIRE_FALSE(out.empty());
      CHECK(out.size() == (netem ? 1 : 2));
      CHECK(out.back().due == kStart + (netem ? 1ms : 2ms));
    }
  }

  TEST_CASE("Gilbert loss comes in bursts of the mean length 1/r, at the rate p/(p+r)") {
    const std::uint64_t seed = test_seed();
    INFO("WANBOND_SEED=" << seed);
    LinkModel link({.burst_begin_ppm = 10'000, .burst_end_ppm = 250'000}, seed);
    const std::uint32_t count = 1'000'000;
    std::uint64_t lost = 0, bursts = 0;
    bool before = false;
    for (const auto& d : run(link, count, 100, 1us)) {
      const bool is_lost = d.fate == LinkFate::Lost;
      lost += is_lost;
      bursts += is_lost && !before;
      before = is_lost;
    }
    const double rate = static_cast<double>(lost) / count;
    const double mean = static_cast<double>(lost) / static_cast<double>(bursts);
    CHECK(rate == doctest::Approx(0.01 / 0.26).epsilon(0.05));
    CHECK(mean == doctest::Approx(4.0).epsilon(0.05));
  }

  TEST_CASE("normal jitter has its mean and sigma, is cut at 4 sigma, and reorders if free") {
    const std::uint64_t seed = test_seed();
    INFO("WANBOND_SEED=" << seed);
    LinkModel link({.delay = 50ms, .order = LinkOrder::Free, .jitter = 5ms}, seed);
    const auto out = run(link, 200'000, 100, 100us);
    double sum = 0, squares = 0;
    for (const Duration d : delays(out, 100us)) {
      CHECK(d >= 30ms);
      CHECK(d <= 70ms);
      sum += to_ms(d);
      squares += to_ms(d) * to_ms(d);
    }
    const double mean = sum / 200'000;
    CHECK(mean == doctest::Approx(50.0).epsilon(0.002));
    CHECK(std::sqrt(squares / 200'000 - mean * mean) == doctest::Approx(5.0).epsilon(0.02));
    CHECK_FALSE(in_order(out));
    CHECK(std::is_sorted(out.begin(), out.end(),
                         [](const auto& a, const auto& b) { return a.due < b.due; }));
  }

  TEST_CASE("with order kept, jitter delays a packet but lets none overtake") {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
      LinkModel link({.delay = 20ms, .jitter = 20ms}, seed);
      const auto out = run(link, 10'000, 100, 100us);
      CHECK(out.size() == 10'000);
      CHECK(in_order(out));
    }
  }

  TEST_CASE("Netem: with a rate jitter overtakes nothing, without one it does") {
    for (const std::uint64_t rate : {std::uint64_t{0}, 50 * kMega}) {
      LinkModel link({.semantics = LinkSemantics::Netem,
                      .delay = 20ms,
                      .jitter = 5ms,
                      .rate = {rate},
                      .overhead_bytes = 14},
                     1);
      const auto out = run(link, 5000, 1000, 200us);
      CHECK(out.size() == 5000);
      CHECK(in_order(out) == (rate != 0));
      if (rate == 0) continue;
      for (std::size_t i = 1; i < out.size(); ++i)
        CHECK(out[i].due - out[i - 1].due >= 162240ns);  // 1014 bytes at 50 Mbit/s
    }
  }

  TEST_CASE("exponential jitter only adds, with its mean") {
    const std::uint64_t seed = test_seed();
    INFO("WANBOND_SEED=" << seed);
    LinkModel link({.delay = 10ms,
                    .jitter_kind = LinkJitter::Exponential,
                    .order = LinkOrder::Free,
                    .jitter = 4ms},
                   seed);
    double sum = 0;
    for (const Duration d : delays(run(link, 100'000, 100, 100us), 100us)) {
      CHECK(d >= 10ms);
      sum += to_ms(d);
    }
    CHECK(sum / 100'000 == doctest::Approx(14.0).epsilon(0.01));
  }

  TEST_CASE("a cut empties the link and drops what arrives, each packet given back once") {
    for (const auto semantics : {LinkSemantics::Link, LinkSemantics::Netem}) {
      LinkModel link({.semantics = semantics, .delay = 20ms, .rate = {12 * kMega}}, 1);
      for (std::uint32_t i = 0; i < 30; ++i) (void)link.push(kStart, {i, 1500});
      CHECK(pop_all(link, kStart + 22ms).size() == 2);
      LinkSettings cut = link.settings();
      cut.state = LinkState::Cut;
      link.set(kStart + 22ms, cut);
      CHECK(link.next_timeout() <= kStart + 22ms);
      const auto gone = pop_all(link, kStart + 22ms);
      CHECK(gone.size() == 28);
      CHECK(in_order(gone));
      for (const auto& d : gone) CHECK(d.fate == LinkFate::Outage);
      CHECK(link.push(kStart + 30ms, {99, 1500}) == LinkFate::Outage);
      CHECK(link.queue_packets() == 0);
      CHECK(link.queue_bytes() == 0);
      CHECK(link.next_timeout() == kNever);

      LinkSettings back = cut;
      back.state = LinkState::Up;
      link.set(kStart + 40ms, back);
      CHECK(link.push(kStart + 40ms, {100, 1500}) == LinkFate::Delivered);
      const auto out = pop_all(link, kStart + 1s);
      REQUIRE(out.size() == 1);
      CHECK(out[0].due == kStart + 61ms);
      CHECK(link.counters().in_packets == 32);
      CHECK(count_of(link, LinkFate::Outage) == 29);
    }
  }

  TEST_CASE("a new rate holds for what waits and for the rest of the packet on the line") {
    LinkModel link({.rate = {12 * kMega}}, 1);
    for (std::uint32_t i = 0; i < 3; ++i) (void)link.push(kStart, {i, 1500});
    LinkSettings slow = link.settings();
    slow.rate = {6 * kMega};
    link.set(kStart + 500us, slow);
    const auto out = pop_all(link, kStart + 1s);
    REQUIRE(out.size() == 3);
    CHECK(out[0].due == kStart + 1500us);
    CHECK(out[1].due == kStart + 3500us);
    CHECK(out[2].due == kStart + 5500us);
  }

  TEST_CASE("lifting the rate sends all that waits at once") {
    LinkModel link({.rate = {1 * kMega}}, 1);
    for (std::uint32_t i = 0; i < 3; ++i) (void)link.push(kStart, {i, 1500});
    link.set(kStart + 1ms, {});
    CHECK(pop_all(link, kStart + 1ms).size() == 3);
  }

  TEST_CASE("a new delay holds for what enters; order is kept if it is to be kept") {
    for (const auto order : {LinkOrder::Kept, LinkOrder::Free}) {
      LinkModel link({.delay = 100ms, .order = order}, 1);
      (void)link.push(kStart, {0, 100});
      link.set(kStart + 10ms, {.delay = 20ms, .order = order});
      (void)link.push(kStart + 10ms, {1, 100});
      const auto out = pop_all(link, kStart + 1s);
      REQUIRE(out.size() == 2);
      CHECK(in_order(out) == (order == LinkOrder::Kept));
      CHECK(out.front().due == kStart + (order == LinkOrder::Kept ? 100ms : 30ms));
      CHECK(out.back().due == kStart + 100ms);
    }
  }

  TEST_CASE("packets above the MTU are dropped, the others are not") {
    LinkModel link({.mtu_bytes = 1400}, 1);
    CHECK(link.push(kStart, {0, 1401}) == LinkFate::TooBig);
    CHECK(link.push(kStart, {1, 1400}) == LinkFate::Delivered);
    CHECK(count_of(link, LinkFate::TooBig) == 1);
  }

  TEST_CASE("same seed, same fates; and polling often changes nothing") {
    const LinkSettings settings{.delay = 10ms,
                                .jitter = 3ms,
                                .rate = {10 * kMega},
                                .loss_ppm = 50'000,
                                .burst_begin_ppm = 10'000,
                                .burst_end_ppm = 300'000};
    LinkModel often(settings, 42), rarely(settings, 42), other(settings, 43);
    const auto trace = [](const std::vector<LinkDeparture>& all) {
      std::vector<std::pair<std::uint32_t, Time>> delivered;
      for (const auto& d : all)
        if (d.fate == LinkFate::Delivered) delivered.push_back({d.packet.handle, d.due});
      return delivered;
    };
    std::vector<LinkDeparture> polled;
    for (std::uint32_t i = 0; i < 900; ++i) {
      (void)often.push(kStart + i * 1ms, {i, 1000});
      for (Duration d{0}; d < 1ms; d += 50us)
        for (const auto& x : pop_all(often, kStart + i * 1ms + d)) polled.push_back(x);
    }
    for (const auto& x : pop_all(often, kStart + 1h)) polled.push_back(x);
    std::vector<LinkDeparture> late;
    for (std::uint32_t i = 0; i < 900; ++i) (void)rarely.push(kStart + i * 1ms, {i, 1000});
    for (const auto& x : pop_all(rarely, kStart + 1h)) late.push_back(x);
    CHECK(trace(polled) == trace(late));
    CHECK(trace(run(other, 900, 1000, 1ms)) != trace(late));
  }

  TEST_CASE("in = out + dropped + inside, in packets and bytes") {
    LinkModel link({.delay = 5ms, .rate = {10 * kMega}, .queue_packets_max = 20, .loss_ppm = 1000},
                   7);
    for (std::uint32_t i = 0; i < 1000; ++i) (void)link.push(kStart, {i, 500});
    std::uint64_t left = 0;
    (void)pop_all(link, kStart + 1h);
    for (const std::uint64_t n : link.counters().packets) left += n;
    CHECK(left == link.counters().in_packets);
    CHECK(link.counters().in_bytes == 500'000);
  }
}
