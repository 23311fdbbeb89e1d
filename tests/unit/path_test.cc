#include "core/path.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "proto/limits.h"
#include "proto/wire.h"
#include "tests/sim/seeded_random.h"

using namespace wanbond;

namespace {

const Endpoint kNear = *Endpoint::parse("192.0.2.1:51900");
const Endpoint kFar = *Endpoint::parse("198.51.100.1:51900");
const Endpoint kMoved = *Endpoint::parse("203.0.113.9:4000");

/// Two ends of one path. What one sends reaches the other after `delay`, unless `cut`.
struct Pair {
  explicit Pair(std::uint64_t seed = 1) : random(seed) {
    near.start(now);
    far.start(now);
  }

  struct Message {
    Time sent;
    Time at;
    bool to_near = false;
    ControlPlan plan;
  };

  void run_until(Time end) {
    while (true) {
      send(near, false);
      send(far, true);
      Time next = std::min(near.next_timeout(), far.next_timeout());
      for (const Message& message : wire) next = std::min(next, message.at + reads_late);
      if (next > end) break;
      now = std::max(now, next);
      deliver();
      near.on_timer(now, Duration::zero());
      far.on_timer(now, Duration::zero());
      collect(near, "near ");
      collect(far, "far ");
    }
    now = end;
  }

  void send(Path& path, bool to_near) {
    while (auto plan = path.poll_transmit(now)) {
      path.on_control_sent(plan->padded_bytes);
      if (cut || plan->padded_bytes > carries_bytes) continue;
      if (plan->to.remote != (to_near ? near_seen_as : kFar)) continue;
      if (!to_near && loses()) continue;
      wire.push_back({now, now + delay, to_near, std::move(*plan)});
    }
  }

  /// Whether what near sends now is lost; its number is used up.
  bool loses() {
    const bool lost = sent_count++ % 10 < lost_of_ten;
    if (lost) ++far_number;
    return lost;
  }

  void deliver() {
    std::vector<Message> due;
    for (Message& message : wire)
      if (message.at + reads_late <= now) due.push_back(std::move(message));
    std::erase_if(wire, [&](const Message& message) { return message.at + reads_late <= now; });
    for (Message& message : due) {
      Path& path = message.to_near ? near : far;
      const Arrival arrival{
          {SocketId{0}, message.to_near ? kFar : near_seen_as, {}},
          message.to_near ? near_number++ : far_number++,
          static_cast<std::uint32_t>(std::max<std::size_t>(1200, message.plan.padded_bytes)),
          0,
          true,
          message.at};
      path.on_arrival(now, arrival);
      path.on_control_stamp(arrival, wire_stamp(message.sent));
      for (const Frame& frame : message.plan.frames) act(path, frame, arrival);
    }
  }

  void act(Path& path, const Frame& frame, const Arrival& arrival) {
    if (const auto* f = std::get_if<PathChallengeFrame>(&frame))
      path.on_challenge(now, *f, arrival);
    if (const auto* f = std::get_if<PathResponseFrame>(&frame)) path.on_response(now, *f, arrival);
    if (const auto* f = std::get_if<PmtuProbeFrame>(&frame)) path.on_probe(*f, arrival);
    if (const auto* f = std::get_if<PmtuAckFrame>(&frame)) path.on_probe_ack(now, *f);
    if (const auto* f = std::get_if<FeedbackFrame>(&frame)) path.on_feedback(now, *f, arrival);
    if (const auto* f = std::get_if<BfdFrame>(&frame)) {
      BfdError error{};
      path.on_bfd(now, *parse_bfd(f->packet, error));
    }
  }

  void collect(Path& path, const std::string& who) {
    while (const auto change = path.take_change()) {
      if (change->kind == EventKind::PathSize)
        log.push_back(who + std::to_string(change->payload_bytes));
      else if (change->kind == EventKind::PathMoved)
        log.push_back(who + "moved");
      else
        log.push_back(who + std::string(to_string(change->to)));
      times.push_back(now);
    }
  }

  Time when(const std::string& what) const {
    const auto found = std::find(log.begin(), log.end(), what);
    return found == log.end() ? kNever : times[static_cast<std::size_t>(found - log.begin())];
  }
  void forget() {
    log.clear();
    times.clear();
  }

  sim::SeededRandom random;
  Time now{1s};
  Duration delay = 10ms;
  Duration reads_late{};  // what arrives waits so long in the socket
  bool cut = false;
  unsigned lost_of_ten = 0;  // of what near sends
  unsigned sent_count = 0;
  std::size_t carries_bytes = 1472;
  Endpoint near_seen_as = kNear;
  WanSettings wan{.name = "fiber"};
  Path near{now, {PathId{0}, {SocketId{0}, kFar, {}}, PathOrigin::Configured}, wan, random};
  Path far{now, {PathId{0}, {SocketId{0}, kNear, {}}, PathOrigin::Learned}, wan, random};
  std::vector<Message> wire;
  std::vector<std::string> log;
  std::vector<Time> times;
  std::uint32_t near_number = 0, far_number = 0;  // packet numbers
};

/// Keeps both ends in the active profile for a while, as traffic does.
void carry_traffic(Pair& pair, Time until) {
  while (pair.now < until) {
    pair.near.on_data_sent(pair.now, 1, 100);
    if (!pair.loses()) {
      const Arrival arrival{{SocketId{0}, kNear, {}}, pair.far_number++, 132, 0, true, pair.now};
      pair.far.on_arrival(pair.now, arrival);
      pair.far.on_data_received(pair.now, arrival, wire_stamp(pair.now - pair.delay),
                                ArrivalKind::Plain);
    }
    pair.run_until(pair.now + 10ms);
  }
}

}  // namespace

TEST_SUITE("path") {
  TEST_CASE("comes up within three round trips when both ends answer") {
    Pair pair;
    pair.run_until(Time{2s});
    CHECK(pair.near.state() == PathState::Up);
    CHECK(pair.far.state() == PathState::Up);
    CHECK(pair.when("near up") <= Time{1s} + 60ms);
    CHECK(pair.near.rtt().srtt() >= 20ms);
    CHECK(pair.near.rtt().srtt() < 21ms);
  }

  TEST_CASE("carries nothing before its address has answered, and is down after 3 s") {
    Pair pair;
    pair.cut = true;
    pair.run_until(Time{3s} + 900ms);
    CHECK(pair.near.state() == PathState::Validating);
    CHECK(pair.near.view(pair.now, FlowCare::Plain).usability == Usability::Never);
    pair.run_until(Time{5s});
    CHECK(pair.when("near down") == Time{4s});
    CHECK(pair.near.counters().downs == 0);
  }

  TEST_CASE("a silent cut of a path in use: suspect after 45 ms, down after 80 ms") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      Pair pair(seed);
      carry_traffic(pair, Time{4s});
      pair.forget();
      pair.cut = true;
      pair.wire.clear();
      const Time cut_at = pair.now;
      pair.run_until(cut_at + 1s);
      CHECK(pair.when("near suspect") - cut_at <= 45ms);
      CHECK(pair.when("near down") - cut_at <= 80ms);
      CHECK(pair.when("far down") - cut_at <= 80ms);
      CHECK(pair.near.counters().last_down_cause == Cause::Silence);
    }
  }

  TEST_CASE("a path that returns is up again within 250 ms, however long it was away") {
    for (const Duration outage : {Duration(1s), Duration(10s), Duration(50s)}) {
      Pair pair;
      carry_traffic(pair, Time{3s});
      pair.cut = true;
      pair.run_until(pair.now + outage);
      pair.forget();
      pair.cut = false;
      const Time healed = pair.now;
      pair.run_until(healed + 1s);
      CHECK(pair.when("near up") - healed <= 250ms);
      CHECK(pair.when("far up") - healed <= 250ms);
    }
  }

  TEST_CASE("any packet brings a suspect path back") {
    Pair pair;
    carry_traffic(pair, Time{3s});
    pair.cut = true;
    pair.wire.clear();
    pair.run_until(pair.now + 60ms);
    REQUIRE(pair.near.state() == PathState::Suspect);
    CHECK(pair.near.view(pair.now, FlowCare::Plain).usability == Usability::LastResort);
    pair.near.on_arrival(pair.now, {{SocketId{0}, kFar, {}}, 99'999, 100, 0, true});
    CHECK(pair.near.state() == PathState::Up);
  }

  TEST_CASE("a loop that could not run for 300 ms does not take its own silence for the peer's") {
    Pair pair;
    carry_traffic(pair, Time{3s});
    pair.forget();
    pair.near.on_timer(pair.now + 300ms, 295ms);
    CHECK(pair.near.state() != PathState::Down);
  }

  TEST_CASE("a new address of the peer is challenged first and used after its answer") {
    Pair pair;
    pair.run_until(Time{2s});
    pair.forget();
    pair.near_seen_as = kMoved;
    pair.run_until(Time{4s});
    CHECK(pair.when("far moved") < kNever);
    CHECK(pair.far.address().remote == kMoved);
    CHECK(pair.far.is_usable());
  }

  TEST_CASE("a copier of packets does not pull the path to himself while the old address answers") {
    Pair pair;
    pair.run_until(Time{2s});
    const Arrival copied{{SocketId{0}, kMoved, {}}, pair.far_number++, 100, 0, true};
    pair.far.on_arrival(pair.now, copied);
    pair.run_until(Time{4s});
    CHECK(pair.far.address().remote == kNear);
    CHECK(pair.when("far moved") == kNever);
  }

  TEST_CASE("an old packet from elsewhere says nothing about addresses") {
    Pair pair;
    pair.run_until(Time{2s});
    pair.far.on_arrival(pair.now, {{SocketId{0}, kMoved, {}}, 1, 100, 0, false});
    while (const auto plan = pair.far.poll_transmit(pair.now)) CHECK(plan->to.remote == kNear);
  }

  TEST_CASE("an address that is not validated gets at most three times what it sent") {
    Pair pair;
    pair.run_until(Time{2s});
    pair.far.on_arrival(pair.now, {{SocketId{0}, kMoved, {}}, pair.far_number++, 28, 0, true});
    std::size_t bytes = 0;
    for (const Time end = pair.now + 3s; pair.now < end; pair.now += 1ms) {
      while (const auto plan = pair.far.poll_transmit(pair.now))
        if (plan->to.remote == kMoved) bytes += std::max<std::size_t>(plan->padded_bytes, 46);
    }
    CHECK(bytes > 0);
    CHECK(bytes <= 3 * 28);
  }

  TEST_CASE("an address that only a packet came from gets at most three times that, for ever") {
    sim::SeededRandom random(1);
    const WanSettings wan{.name = "fiber"};
    for (const std::uint32_t received : {46U, 1200U, 2400U}) {
      CAPTURE(received);
      Path path(Time{1s}, {PathId{0}, {SocketId{0}, kNear, {}}, PathOrigin::Learned}, wan, random);
      const Arrival arrival{{SocketId{0}, kNear, {}}, 0, received, 0, true};
      path.start(Time{1s});
      path.on_arrival(Time{1s}, arrival);
      path.on_challenge(Time{1s}, {.token = 7}, arrival);
      std::size_t bytes = 0;
      for (Time now{1s}; now < Time{10min}; now = std::max(now + 1ms, path.next_timeout())) {
        while (const auto plan = path.poll_transmit(now)) {
          const std::size_t size = std::max<std::size_t>(plan->padded_bytes, 100);
          path.on_control_sent(size);
          bytes += size;
        }
        path.on_timer(now, Duration::zero());
        if (path.next_timeout() == kNever) break;
      }
      CHECK(bytes >= received);  // the answer
      CHECK(bytes <= std::max<std::size_t>(3 * received, 100));
      CHECK(path.state() != PathState::Up);
    }
  }

  TEST_CASE("a late timer is no sign of life: silence counts from the first packet on") {
    sim::SeededRandom random(1);
    const WanSettings wan{.name = "fiber"};
    Path path(Time{1h}, {PathId{0}, {SocketId{0}, kFar, {}}, PathOrigin::Configured}, wan, random);
    path.on_timer(Time{1h}, 50ms);
    path.start(Time{1h});
    const auto change = path.take_change();
    REQUIRE(change);
    CHECK(change->silence == Duration::zero());
  }

  TEST_CASE("a refused send takes the path down at once") {
    Pair pair;
    pair.run_until(Time{2s});
    pair.near.on_send_refused(pair.now, Cause::SendRefused);
    CHECK(pair.near.state() == PathState::Down);
    CHECK(pair.near.counters().last_down_cause == Cause::SendRefused);
  }

  TEST_CASE("what waits in the socket of a box that has no time makes no way longer") {
    Pair pair;
    pair.run_until(Time{5s});
    for (Duration late = 2ms; late <= 12ms; late += 2ms) {
      pair.reads_late = late;
      carry_traffic(pair, pair.now + 2s);
    }
    CHECK(pair.near.rtt().srtt() < 2 * pair.delay + 1ms);
    CHECK(pair.near.received().jitter() < 100us);
    CHECK(pair.near.received().jump_tail() == 0ms);
  }

  TEST_CASE("an idle path sends about four packets a second, an active one about sixty") {
    Pair pair;
    pair.run_until(Time{10s});
    const auto before = pair.near.counters().tx_packets;
    pair.run_until(Time{20s});
    const auto idle = pair.near.counters().tx_packets - before;
    CHECK(idle >= 30);
    CHECK(idle <= 60);
    const Arrival arrival{.bytes = 100, .at = pair.now};
    pair.near.on_data_received(pair.now, arrival, 0, ArrivalKind::Plain);
    pair.far.on_data_received(pair.now, arrival, 0, ArrivalKind::Plain);
    const auto start = pair.near.counters().tx_packets;
    pair.run_until(pair.now + 4s);
    const auto active = pair.near.counters().tx_packets - start;
    CHECK(active >= 180);
    CHECK(active <= 280);
  }

  TEST_CASE("loss of more than a fifth for 3 s doubles the interval, at most to 100 ms") {
    Pair pair;
    pair.run_until(Time{5s});
    const auto interval_after = [&](Duration span, unsigned lost_of_ten) {
      pair.lost_of_ten = lost_of_ten;
      carry_traffic(pair, pair.now + span);
      return pair.near.bfd().transmit_interval();
    };
    CHECK(interval_after(12s, 1) == 20ms);
    CHECK(interval_after(2500ms, 3) == 20ms);
    CHECK(interval_after(9500ms, 3) == 100ms);
    CHECK(pair.far.bfd().detection_time() >= 400ms);
    CHECK(interval_after(3s, 0) == 100ms);
    CHECK(interval_after(60s, 0) == 20ms);
    CHECK(pair.near.bfd().detect_mult() == 4);
    CHECK(pair.far.bfd().detection_time() == 80ms);
  }

  TEST_CASE("a metered path ranks behind every other priority") {
    Pair pair;
    pair.run_until(Time{2s});
    pair.wan.metered = true;
    const unsigned metered = pair.near.view(pair.now, FlowCare::Plain).rank;
    pair.wan.metered = false;
    pair.wan.priority = 255;
    CHECK(pair.near.view(pair.now, FlowCare::Plain).rank < metered);
  }
}

TEST_SUITE("validation") {
  TEST_CASE("challenges go out at 0, 0.25, 0.75 and 1.75 s, each with a token of its own") {
    sim::SeededRandom random(1);
    Validation validation;
    validation.open(Time{1s});
    std::vector<Duration> sent;
    std::vector<std::uint64_t> tokens;
    for (Time now{1s}; now < Time{10s}; now += 1ms) {
      while (const auto token = validation.poll(now, random)) {
        sent.push_back(now - Time{1s});
        tokens.push_back(*token);
      }
    }
    CHECK(sent == std::vector<Duration>{0ms, 250ms, 750ms, 1750ms});
    CHECK(std::adjacent_find(tokens.begin(), tokens.end()) == tokens.end());
  }

  TEST_CASE("only a token of ours is an answer, and only once") {
    sim::SeededRandom random(1);
    Validation validation;
    validation.open(Time{1s});
    const auto token = validation.poll(Time{1s}, random);
    CHECK_FALSE(validation.on_response(Time{2s}, *token + 1));
    CHECK_FALSE(validation.on_response(Time{2s}, 0));
    CHECK(validation.on_response(Time{1s} + 30ms, *token) == Duration(30ms));
    CHECK_FALSE(validation.on_response(Time{2s}, *token));
  }

  TEST_CASE("a path that is down is probed every 100 ms, after a minute every second") {
    sim::SeededRandom random(1);
    Validation validation;
    validation.recover(Time{1s}, ProbePace::Normal);
    const auto count = [&](Time from, Time to) {
      int probes = 0;
      for (Time now = from; now < to; now += 10ms) probes += validation.poll(now, random) ? 1 : 0;
      return probes;
    };
    CHECK(count(Time{1s}, Time{61s}) == 600);
    (void)count(Time{61s}, Time{70s});
    const int later = count(Time{70s}, Time{130s});
    CHECK(later >= 58);
    CHECK(later <= 61);
  }
}
