#include "sched/bond.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

using namespace wanbond;

namespace {

constexpr Duration kClockOffset = 77s;  // of the receiver

/// A path as its receiver sees it: packets in, reports out, no loss.
struct Line {
  Duration delay = 10ms;
  double bytes_per_second = 5e6;
  SlotMeter meter{};
  TrainMeter trains{};
  Time free_at{};
  std::uint32_t sent = 0, arrived = 0;
  std::vector<std::pair<Time, SlotArrival>> under_way{};

  void send(Time now, std::uint16_t bytes, ArrivalKind kind) {
    free_at = std::max(now, free_at) + time_for(bytes, bytes_per_second);
    const Time at = free_at + delay;
    under_way.push_back(
        {at, {at.time_since_epoch() + kClockOffset, at - now + kClockOffset, bytes, kind}});
    ++sent;
  }
  void deliver(Time now) {
    std::size_t done = 0;
    for (; done < under_way.size() && under_way[done].first <= now; ++done) {
      const SlotArrival& a = under_way[done].second;
      meter.on_packet(a);
      if (a.kind == ArrivalKind::Probe) trains.on_packet(a.at, a.bytes);
    }
    under_way.erase(under_way.begin(), under_way.begin() + static_cast<std::ptrdiff_t>(done));
    arrived += static_cast<std::uint32_t>(done);
  }
};

/// A Bond over lines; an endless flow keeps `backlog` packets in the queue.
struct Rig {
  Bond bond{};
  std::vector<Line> lines;
  Time now{1s};
  std::uint32_t packet = 0;
  std::vector<std::uint64_t> granted{};

  explicit Rig(std::vector<Line>&& all) : lines(std::move(all)), granted(lines.size()) {
    for (std::uint8_t i = 0; i < lines.size(); ++i) bond.on_path_up(now, i);
  }
  void report(std::uint8_t id) {
    Line& line = lines[id];
    line.deliver(now);
    const Duration written = now.time_since_epoch() - 10ms + kClockOffset;
    bond.on_heard(now, id, now.time_since_epoch() - written);
    bond.on_report(now, {.path = id,
                         .written = written,
                         .slots = line.meter.report(now.time_since_epoch() + kClockOffset),
                         .train = line.trains.report(),
                         .largest = line.arrived,
                         .packets = line.arrived,
                         .in_flight = line.under_way.size()});
  }
  TrainSize send_train() {
    const TrainSize train = bond.take_train(now, 0);
    for (unsigned i = 0; i < train.count; ++i)
      lines[0].send(now, train.bytes_max, ArrivalKind::Probe);
    return train;
  }
  void run(Duration time, unsigned backlog) {
    for (const Time end = now + time; now < end; now += 100us) {
      while (bond.queue().flow_bytes(0) < backlog * 1500U)
        if (!bond.push(now, 0, {packet++, 0, 1, 1500, 1500}, EcnCapable::Yes)) break;
      while (const auto grant = bond.pull(now)) {
        lines[grant->path].send(now, 1500, grant->kind);
        granted[grant->path] += 1500;
      }
      if (now.time_since_epoch() % 10ms == 0ms)
        for (std::uint8_t i = 0; i < lines.size(); ++i) report(i);
      if (now.time_since_epoch() % 20ms == 0ms)
        for (Line& line : lines) line.send(now, 80, ArrivalKind::Control);
    }
  }
};

std::vector<Line> lines(std::initializer_list<Line> all) { return all; }

}  // namespace

TEST_SUITE("bond") {
  TEST_CASE("finds the rate of a path and keeps its queue near 2 ms") {
    Rig rig(lines({{.bytes_per_second = 5e6}}));
    rig.run(5s, 100);
    CHECK(rig.bond.rate(0).capacity() == doctest::Approx(5e6).epsilon(0.03));
    CHECK(rig.bond.model(0).queue() < 5ms);
    const std::uint64_t before = rig.granted[0];
    rig.run(5s, 100);
    CHECK(static_cast<double>(rig.granted[0] - before) / 5 > 0.97 * 5e6);
  }

  TEST_CASE("a train gives the rate at once") {
    Rig rig(lines({{.bytes_per_second = 5e6}}));
    rig.run(50ms, 0);
    REQUIRE(rig.send_train().count == 32);
    CHECK(rig.bond.take_train(rig.now, 0).count == 0);
    rig.run(100ms, 0);
    CHECK(rig.bond.rate(0).capacity() == doctest::Approx(0.95 * 5e6).epsilon(0.03));
    CHECK_FALSE(rig.bond.rate(0).is_starting());
  }

  TEST_CASE("no train but the first stands longer than 100 ms before a link of 1 Mbit/s") {
    Rig rig(lines({{.bytes_per_second = 125'000}}));
    rig.run(50ms, 0);
    CHECK(rig.send_train().count == 32);
    rig.run(600ms, 0);
    CHECK_FALSE(rig.bond.rate(0).is_starting());
    CHECK(rig.bond.rate(0).capacity() == doctest::Approx(0.95 * 125'000).epsilon(0.03));
    const TrainSize train = rig.send_train();
    CHECK(train.count >= 10);
    CHECK(train.count * train.bytes_max <= 0.1 * 125'000);
  }

  TEST_CASE("of two equal paths one carries all until it is full") {
    Rig rig(lines({{.bytes_per_second = 12.5e6}, {.bytes_per_second = 12.5e6}}));
    rig.run(1s, 0);
    for (int i = 0; i < 1000; ++i) {  // 6 Mbit/s
      const auto grant = rig.bond.pass(rig.now, 0, 1, 1500);
      REQUIRE(grant);
      rig.lines[grant->path].send(rig.now, 1500, grant->kind);
      rig.granted[grant->path] += 1500;
      rig.run(2ms, 0);
    }
    CHECK(std::min(rig.granted[0], rig.granted[1]) == 0);
    rig.run(1s, 400);
    CHECK(std::min(rig.granted[0], rig.granted[1]) > 5e6);
  }

  TEST_CASE("nothing passes what waits, and nothing a path that is paced") {
    Rig rig(lines({{.bytes_per_second = 5e6}}));
    rig.run(1s, 100);
    REQUIRE_FALSE(rig.bond.queue().empty());
    CHECK_FALSE(rig.bond.pass(rig.now, 0, 1, 1500));
    while (rig.bond.pull(rig.now += 1ms)) {
    }
    rig.now += 1s;
    while (rig.bond.pull(rig.now += 1ms)) {
    }
    REQUIRE(rig.bond.queue().empty());
    CHECK(rig.bond.pass(rig.now, 0, 1, 1500));
    CHECK_FALSE(rig.bond.pass(rig.now, 0, 1, 1500));
    CHECK_FALSE(rig.bond.pass(rig.now + 100ms, 0, 40, 60'000));  // more than a quantum
  }

  TEST_CASE("a machine that wakes late sends as much as one that does not") {
    for (const Duration late : {0us, 400us, 2000us}) {
      Gate gate;
      gate.set_rate(5e6);
      Time now{1s};
      double sent = 0;
      for (const Time end = now + 1s; now < end; now = gate.opens_at() + late) {
        for (; gate.is_open(now); sent += 1500) gate.take(now, 1500);
        gate.await();
      }
      CHECK(sent == doctest::Approx(5e6).epsilon(0.01));
      CHECK(gate.is_limiting(now));
    }
  }

  TEST_CASE("what a flow did not send it may not send later") {
    Gate gate;
    gate.set_rate(5e6);
    int burst = 0;
    for (const Time now{1s}; gate.is_open(now); ++burst) gate.take(now, 1500);
    CHECK(burst <= 2);
  }

  TEST_CASE("a flow deep enough fills both paths, a shallow one only the faster") {
    for (const unsigned backlog : {10U, 400U}) {
      Rig rig(
          {{.delay = 10ms, .bytes_per_second = 5e6}, {.delay = 60ms, .bytes_per_second = 2.5e6}});
      rig.run(3s, backlog);
      const std::uint64_t slow = rig.granted[1];
      rig.run(1s, backlog);
      const double share = static_cast<double>(rig.granted[1] - slow) / 2.5e6;
      if (backlog == 10)
        CHECK(share < 0.05);
      else
        CHECK(share > 0.95);
    }
  }

  TEST_CASE("a held flow is spread at a constant round trip") {
    Rig rig(lines(
        {{.delay = 10ms, .bytes_per_second = 5e6}, {.delay = 60ms, .bytes_per_second = 2.5e6}}));
    rig.run(3s, 0);
    CHECK_FALSE(rig.bond.held_round_trip(0));
    rig.bond.set_hold(0, FlowHold::Yes);
    rig.run(4s, 10);
    const auto round_trip = rig.bond.held_round_trip(0);
    REQUIRE(round_trip);
    CHECK(*round_trip > 70ms);
    CHECK(*round_trip < 100ms);
    CHECK(rig.granted[1] > 4e6);
  }

  TEST_CASE("a suspended path takes nothing while another lives, and all when it is the last") {
    Rig rig(lines({{}, {}}));
    rig.run(1s, 100);
    rig.bond.suspend(rig.now, 0);
    const std::uint64_t before = rig.granted[0];
    rig.run(100ms, 100);
    CHECK(rig.granted[0] == before);
    CHECK(rig.bond.urgent_path() == 1);
    CHECK(rig.bond.repair_path(rig.now)->path == 1);
    rig.bond.on_path_down(rig.now, 1);
    rig.run(100ms, 100);
    CHECK(rig.granted[0] > before);
  }

  TEST_CASE("remembers half the rate of a path that comes back") {
    Rig rig(lines({{.bytes_per_second = 5e6}}));
    rig.run(5s, 100);
    rig.bond.on_path_down(rig.now, 0);
    CHECK_FALSE(rig.bond.urgent_path());
    CHECK_FALSE(rig.bond.pull(rig.now));
    rig.bond.on_path_up(rig.now, 0);
    CHECK(rig.bond.rate(0).capacity() == doctest::Approx(2.5e6).epsilon(0.05));
  }

  TEST_CASE("a path is suspect when nothing arrives for 10 ms though something was due") {
    Rig rig(lines({{}, {}}));
    rig.run(2s, 200);
    const Time cut = rig.now;
    CHECK_FALSE(rig.bond.is_suspect(rig.now, 0, rig.now - 15ms));
    rig.lines[0].under_way.clear();
    Duration noticed = 1s;
    for (; rig.now < cut + 100ms; rig.now += 5ms) {  // reports go on, over both paths
      rig.report(0);
      rig.report(1);
      if (noticed == 1s && rig.bond.is_suspect(rig.now, 0, cut)) noticed = rig.now - cut;
    }
    CHECK(noticed > 20ms);
    CHECK(noticed < 50ms);
  }

  TEST_CASE("a rate that falls to a tenth is followed within half a second") {
    Rig rig(lines({{.bytes_per_second = 5e6}}));
    rig.run(5s, 100);
    rig.lines[0].bytes_per_second = 5e5;
    rig.run(500ms, 100);
    CHECK(rig.bond.rate(0).capacity() < 0.8e6);
    rig.run(1500ms, 100);
    CHECK(rig.bond.rate(0).capacity() == doctest::Approx(5e5).epsilon(0.1));
  }

  TEST_CASE("what stands in a queue of a fallen rate is told as late, within a budget") {
    Rig rig(lines({{.bytes_per_second = 5e6}, {.bytes_per_second = 5e6}}));
    rig.run(5s, 300);
    CHECK_FALSE(rig.bond.late_behind(rig.now, 0));
    rig.lines[0].bytes_per_second = 5e5;
    rig.run(100ms, 300);
    const auto behind = rig.bond.late_behind(rig.now, 0);
    REQUIRE(behind);
    CHECK(*behind < 30'000);
    rig.bond.on_rescue(0, 10'000'000);
    CHECK_FALSE(rig.bond.late_behind(rig.now, 0));
  }

  TEST_CASE("what goes out beside the queue closes a path for 100 ms at most") {
    Gate gate;
    gate.set_rate(1e6);
    for (int i = 0; i < 100; ++i) gate.take(Time{1s}, 50'000);
    CHECK(gate.opens_at() == Time{1s} + 100ms);
    CHECK(gate.is_open(Time{1s} + 100ms));
  }

  TEST_CASE("pacing says when the next packet may go") {
    Gate gate;
    gate.set_rate(1.5e6);
    gate.reset(Time{1s});
    CHECK(gate.is_open(Time{1s}));
    gate.take(Time{1s}, 1500);
    CHECK_FALSE(gate.is_open(Time{1s}));
    CHECK(gate.opens_at() == Time{1s} + 1ms);
    CHECK(gate.is_limiting(gate.opens_at()));
    CHECK_FALSE(gate.is_limiting(gate.opens_at() + 1ms));
    gate.take(Time{2s}, 1500);  // 100 us of the idle time are saved up
    CHECK(gate.opens_at() == Time{2s} + 900us);
    gate.set_cap(3000);
    CHECK(gate.has_room(2999));
    CHECK_FALSE(gate.has_room(3000));
    CHECK(gate.is_limiting(Time{3s}));
  }
}
