#include "core/pmtu.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

using namespace wanbond;

namespace {

constexpr PmtuLimits kEthernet{1472, 28};

/// A path of one size in virtual time; what passes is acknowledged a round trip later.
struct Link {
  explicit Link(std::size_t payload_bytes, PmtuLimits l = kEthernet)
      : carries(payload_bytes), limits(l) {
    mtu.set_rtt(rtt);
    mtu.start(now, limits);
    heartbeat();
  }

  void run_for(Duration span) {
    const Time end = now + span;
    while (true) {
      while (const auto probe = mtu.poll_probe(now)) send(*probe);
      Time next = mtu.next_timeout();
      if (!acks.empty()) next = std::min(next, acks.front().at);
      if (next > end) break;
      now = std::max(now, next);
      if (!acks.empty() && acks.front().at <= now) {
        const Ack ack = acks.front();
        acks.pop_front();
        mtu.on_ack(now, ack.frame);
      } else {
        mtu.on_timer(now);
      }
    }
    now = end;
  }

  void send(const PmtuProbeFrame& probe) {
    probes.push_back({now, probe.payload_bytes});
    const bool unlucky = lose != 0 && probes.size() % lose == 0;
    if (dead || unlucky || probe.payload_bytes > carries) return;
    acks.push_back({now + rtt, {probe.id, probe.payload_bytes}});
  }

  /// One report on `count` packets of this size each, `arrived` of them there.
  void data(std::uint32_t count, std::uint32_t bytes, std::uint32_t arrived) {
    mtu.on_data_sent(now, count, std::uint64_t{count} * bytes);
    report.largest += count;
    report.packets += arrived;
    report.bytes += arrived * bytes;
    mtu.on_report(now, report);
  }
  /// A heartbeat that arrives.
  void heartbeat() {
    ++report.largest;
    ++report.packets;
    report.bytes += 82;
    mtu.on_report(now, report);
  }
  std::size_t count(std::size_t bytes) const {
    return static_cast<std::size_t>(std::count_if(probes.begin(), probes.end(),
                                                  [&](const Sent& p) { return p.bytes == bytes; }));
  }

  struct Sent {
    Time at;
    std::size_t bytes;
  };
  struct Ack {
    Time at;
    PmtuAckFrame frame;
  };
  PathMtu mtu;
  std::size_t carries;
  PmtuLimits limits;
  Time now{1s};
  Duration rtt = 20ms;
  bool dead = false;
  std::size_t lose = 0;  // every so many probes
  PathMtu::Report report;
  std::deque<Ack> acks;
  std::vector<Sent> probes;
};

}  // namespace

TEST_SUITE("pmtu") {
  TEST_CASE("an Ethernet path has its size after one round trip and four probes") {
    Link link(1472);
    CHECK(link.mtu.payload_bytes() == 1200);
    CHECK_FALSE(link.mtu.carries_data());
    link.run_for(20ms);
    CHECK(link.mtu.payload_bytes() == 1472);
    CHECK(link.mtu.phase() == PathMtu::Phase::Complete);
    CHECK(link.probes.size() <= 4);
  }

  TEST_CASE("a PPPoE path has its size after one round trip") {
    Link link(1464);
    link.run_for(20ms);
    CHECK(link.mtu.payload_bytes() == 1464);
  }

  TEST_CASE("usual sizes are found in two round trips, all others within half a minute") {
    for (const std::size_t carries : {1432, 1412, 1392, 1372, 1352, 1332, 1312}) {
      Link link(carries);
      link.run_for(60ms);
      CHECK(link.mtu.payload_bytes() == carries);
    }
    for (std::size_t carries = 1312; carries <= 1472; ++carries) {
      Link link(carries);
      link.run_for(30s);
      CHECK(link.mtu.phase() == PathMtu::Phase::Complete);
      CHECK(link.mtu.payload_bytes() <= carries);
      CHECK(link.mtu.payload_bytes() + 8 > carries);
    }
  }

  TEST_CASE("a jumbo interface on an Internet path ends at the Internet's size") {
    Link link(1472, {8972, 28});
    link.run_for(100ms);
    CHECK(link.mtu.payload_bytes() == 1472);
    link.run_for(60s);
    CHECK(link.mtu.phase() == PathMtu::Phase::Complete);
    CHECK(link.mtu.payload_bytes() == 1472);
    Link jumbo(8972, {8972, 28});
    jumbo.run_for(20ms);
    CHECK(jumbo.mtu.payload_bytes() == 8972);
  }

  TEST_CASE("IPv6 tries 1452 and 1444") {
    Link link(1444, {1452, 48});
    link.run_for(20ms);
    CHECK(link.mtu.payload_bytes() == 1444);
    CHECK(link.count(1452) == 1);
  }

  TEST_CASE("RFC 8899 5.1.2: a size is given up only after MAX_PROBES losses") {
    Link link(1472);
    link.lose = 1;  // all of the first round
    link.run_for(10ms);
    link.lose = 0;
    link.run_for(1s);
    CHECK(link.mtu.payload_bytes() == 1200);
    link.run_for(30ms);
    CHECK(link.mtu.payload_bytes() == 1472);
  }

  TEST_CASE("RFC 8899 5.1.1: the probe timer is at least 1 s, and 3 round trips") {
    for (const Duration rtt : {20ms, 600ms}) {
      Link link(1444);
      link.rtt = rtt;
      link.mtu.set_rtt(rtt);
      link.run_for(60s);
      std::vector<Time> tries;  // of the interface's size, from the second on
      for (const Link::Sent& probe : link.probes)
        if (probe.bytes == 1472) tries.push_back(probe.at);
      REQUIRE(tries.size() == 4);
      CHECK(tries[2] - tries[1] >= std::max<Duration>(1s, 3 * rtt));
      CHECK(tries[3] - tries[2] >= std::max<Duration>(1s, 3 * rtt));
    }
  }

  TEST_CASE("RFC 8899 5.1.1: a larger size is tried again after PMTU_RAISE_TIMER") {
    Link link(1392);
    link.run_for(30s);
    CHECK(link.mtu.payload_bytes() == 1392);
    const std::size_t before = link.probes.size();
    link.carries = 1472;
    link.run_for(560s);
    CHECK(link.probes.size() == before);
    link.run_for(60s);
    CHECK(link.mtu.payload_bytes() == 1472);
  }

  TEST_CASE("RFC 8899 5.2: a path that carries less than the smallest data is in ERROR") {
    Link link(1311);
    link.run_for(5s);
    CHECK(link.mtu.phase() == PathMtu::Phase::Error);
    CHECK_FALSE(link.mtu.carries_data());
    link.carries = 1472;
    link.run_for(61s);
    CHECK(link.mtu.payload_bytes() == 1472);
  }

  TEST_CASE("RFC 8899 4.3: large data lost while small packets pass is a black hole") {
    Link link(1472);
    link.run_for(1s);
    link.carries = 1372;
    link.data(10, 1472, 0);
    link.heartbeat();
    CHECK(link.mtu.is_checking());
    link.run_for(100ms);
    CHECK(link.mtu.payload_bytes() == 1372);
    link.run_for(20s);
    CHECK(link.mtu.phase() == PathMtu::Phase::Complete);
    CHECK(link.mtu.payload_bytes() == 1372);
  }

  TEST_CASE("RFC 8899 4.3: a black hole below the smallest data ends at the base size") {
    Link link(1472);
    link.run_for(1s);
    link.carries = 1250;
    link.data(10, 1472, 0);
    link.run_for(100ms);
    CHECK(link.mtu.payload_bytes() == 1200);
    link.run_for(5s);
    CHECK(link.mtu.phase() == PathMtu::Phase::Error);
  }

  TEST_CASE("RFC 8899 4.3: a path that lost everything is no black hole") {
    Link link(1472);
    link.run_for(1s);
    link.dead = true;
    link.data(10, 1472, 0);
    CHECK(link.mtu.is_checking());
    link.run_for(10s);
    CHECK_FALSE(link.mtu.is_checking());
    CHECK(link.mtu.payload_bytes() == 1472);
  }

  TEST_CASE("losses of another cause cost two probes a second at most") {
    Link link(1472);
    link.run_for(1s);
    const std::size_t before = link.probes.size();
    for (int i = 0; i < 1000; ++i) {
      link.data(100, 1472, 95);
      link.run_for(10ms);
      CHECK(link.mtu.payload_bytes() == 1472);
    }
    CHECK(link.probes.size() - before <= 22);
  }

  TEST_CASE("losses of small data start nothing") {
    Link link(1472);
    link.run_for(1s);
    link.data(100, 200, 50);
    CHECK_FALSE(link.mtu.is_checking());
  }

  TEST_CASE("RFC 8899 4.6.2: a packet too big starts a check and sets no size") {
    Link link(1472);
    link.run_for(1s);
    link.mtu.on_too_big(link.now);
    CHECK(link.mtu.is_checking());
    CHECK(link.mtu.payload_bytes() == 1472);
    link.run_for(100ms);
    CHECK_FALSE(link.mtu.is_checking());
    CHECK(link.mtu.payload_bytes() == 1472);
  }

  TEST_CASE("RFC 8899 4.2: an answer to no probe of ours, or of another size, says nothing") {
    Link link(1200);
    link.run_for(100ms);
    for (std::uint16_t id = 0; id < 100; ++id) link.mtu.on_ack(link.now, {id, 1471});
    CHECK(link.mtu.payload_bytes() == 1200);
  }

  TEST_CASE("an answer that was only late takes the size back") {
    Link link(1472);
    link.run_for(1s);
    link.carries = 1372;
    link.data(10, 1472, 0);
    link.run_for(5ms);
    const auto late = link.probes.size();
    link.run_for(95ms);
    REQUIRE(link.mtu.payload_bytes() == 1372);
    for (std::uint16_t id = 0; id <= late; ++id) link.mtu.on_ack(link.now, {id, 1472});
    CHECK(link.mtu.payload_bytes() == 1472);
  }

  TEST_CASE("a path that returns uses its size at once and tries it again") {
    Link link(1472);
    link.run_for(1s);
    link.mtu.stop();
    CHECK(link.mtu.next_timeout() == kNever);
    link.carries = 1392;
    link.mtu.start(link.now, kEthernet);
    CHECK(link.mtu.payload_bytes() == 1472);
    link.run_for(100ms);
    CHECK(link.mtu.payload_bytes() == 1392);
  }

  TEST_CASE("random losses of 10 % do not keep a path from its size") {
    Link link(1472);
    link.lose = 10;
    link.run_for(5s);
    CHECK(link.mtu.payload_bytes() == 1472);
    for (int i = 0; i < 1000; ++i) {
      link.data(10, 1472, 9);
      link.run_for(100ms);
    }
    CHECK(link.mtu.payload_bytes() >= 1464);
  }
}
