// BFD control packets and the rules of one session (proto/bfd), named after RFC 5880.
#include "proto/bfd.h"

#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <map>
#include <string>

#include "bfd_pair.h"
#include "json.h"

using namespace wanbond;
using wanbond::test::Json;
using wanbond::test::SeededRandom;

namespace {

constexpr std::uint32_t kPeer = 0x1111;
constexpr Time kStart{1s};

BfdControl from_peer(BfdState state, std::uint32_t your) {
  return {.state = state,
          .detect_mult = 3,
          .my_discriminator = kPeer,
          .your_discriminator = your,
          .desired_min_tx = 20ms,
          .required_min_rx = 20ms};
}

std::array<std::byte, kBfdControlBytes> packed(const BfdControl& control) {
  std::array<std::byte, kBfdControlBytes> bytes{};
  ByteWriter out(bytes);
  write_bfd(out, control);
  REQUIRE(out.size() == kBfdControlBytes);
  return bytes;
}

/// One session with a scripted peer.
struct Bench {
  SeededRandom random{7};
  BfdSession session;
  Time now = kStart;

  explicit Bench(const BfdSettings& settings = {}) : session(kStart, settings, random) {}

  std::optional<BfdStateChange> hear(BfdState state) {
    return session.on_control(now, from_peer(state, session.my_discriminator()));
  }
  std::optional<BfdStateChange> hear(BfdControl control) {
    return session.on_control(now, control);
  }
  void drain() {
    while (session.poll_transmit(now)) continue;
  }
  void reach(BfdState state) {
    if (state == BfdState::AdminDown) (void)session.set_admin_down(now);
    if (state == BfdState::Init || state == BfdState::Up) (void)hear(BfdState::Down);
    if (state == BfdState::Up) (void)hear(BfdState::Init);
    REQUIRE(session.state() == state);
    drain();
  }
  /// Ends the Poll Sequence of coming Up.
  void settle_poll() {
    BfdControl final = from_peer(BfdState::Up, session.my_discriminator());
    final.final = true;
    (void)hear(final);
    drain();
  }
};

BfdState state_named(const std::string& name) {
  static const std::map<std::string, BfdState> names{{"AdminDown", BfdState::AdminDown},
                                                     {"Down", BfdState::Down},
                                                     {"Init", BfdState::Init},
                                                     {"Up", BfdState::Up}};
  return names.at(name);
}

}  // namespace

TEST_SUITE("bfd") {
  TEST_CASE("RFC 5880 4.1: a control packet is the picture's 24 bytes, and comes back") {
    const BfdControl control{.diag = BfdDiag::NeighborSignaledDown,
                             .state = BfdState::Up,
                             .poll = true,
                             .control_plane_independent = true,
                             .detect_mult = 4,
                             .my_discriminator = 0x01020304,
                             .your_discriminator = 0x05060708,
                             .desired_min_tx = 20ms,
                             .required_min_rx = 300ms,
                             .required_min_echo_rx = 1us};
    const unsigned expected[] = {0x23, 0xe8, 4,    24,   1, 2,    3,    4,    5, 6, 7, 8,
                                 0,    0,    0x4e, 0x20, 0, 0x04, 0x93, 0xe0, 0, 0, 0, 1};
    const auto bytes = packed(control);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      CHECK(static_cast<unsigned>(bytes[i]) == expected[i]);
    BfdError error{};
    CHECK(parse_bfd(bytes, error) == control);
  }

  TEST_CASE("intervals are cut to what 32 bits of microseconds hold") {
    BfdError error{};
    const auto parsed = parse_bfd(packed({.my_discriminator = 1,
                                          .desired_min_tx = 1999ns,
                                          .required_min_rx = 24h,
                                          .required_min_echo_rx = -1s}),
                                  error);
    REQUIRE(parsed);
    CHECK(parsed->desired_min_tx == 1us);
    CHECK(parsed->required_min_rx == std::chrono::microseconds(0xffffffff));
    CHECK(parsed->required_min_echo_rx == 0us);
  }

  TEST_CASE("RFC 5880 6.8.6: discards a packet by its own content") {
    struct Row {
      const char* rule;
      std::size_t at;
      unsigned value;
      BfdError error;
    };
    const Row rows[] = {
        {"version 0", 0, 0x00, BfdError::Version},
        {"version 2", 0, 0x40, BfdError::Version},
        {"length below 24", 3, 23, BfdError::Length},
        {"length past the payload", 3, 25, BfdError::Length},
        {"authenticated, length below 26", 1, 0xc4, BfdError::Length},
        {"detect mult 0", 2, 0, BfdError::DetectMult},
        {"multipoint", 1, 0xc1, BfdError::Multipoint},
        {"my discriminator 0", 7, 0, BfdError::Discriminator},
        {"your discriminator 0 while Up", 11, 0, BfdError::Discriminator},
    };
    const auto good = packed(
        {.state = BfdState::Up, .detect_mult = 3, .my_discriminator = 5, .your_discriminator = 6});
    BfdError error{};
    CHECK(parse_bfd(good, error));
    for (const Row& row : rows) {
      CAPTURE(row.rule);
      auto bytes = good;
      bytes[row.at] = static_cast<std::byte>(row.value);
      CHECK_FALSE(parse_bfd(bytes, error));
      CHECK(error == row.error);
    }
    for (std::size_t size = 0; size < good.size(); ++size) {
      CHECK_FALSE(parse_bfd(Bytes(good).first(size), error));
      CHECK(error == BfdError::Length);
    }
  }

  TEST_CASE("RFC 5880 6.8.6: discards a packet with an authentication section") {
    std::array<std::byte, 33> bytes{};
    const auto head = packed({.state = BfdState::Down, .detect_mult = 3, .my_discriminator = 5});
    std::copy(head.begin(), head.end(), bytes.begin());
    bytes[1] = std::byte{0x44};
    bytes[3] = std::byte{33};
    BfdError error{};
    CHECK_FALSE(parse_bfd(bytes, error));
    CHECK(error == BfdError::Authentication);
  }

  TEST_CASE("RFC 5880 6.8.6: your discriminator may be 0 in Down and AdminDown only") {
    BfdError error{};
    for (const BfdState state :
         {BfdState::AdminDown, BfdState::Down, BfdState::Init, BfdState::Up}) {
      const auto bytes = packed({.state = state, .detect_mult = 3, .my_discriminator = 5});
      CHECK(parse_bfd(bytes, error).has_value() ==
            (state == BfdState::AdminDown || state == BfdState::Down));
    }
  }

  TEST_CASE("RFC 5880 6.2: the state machine follows the table") {
    std::ifstream file(WANBOND_VECTORS "/tables/rfc5880-fsm.json");
    if (!file) {
      MESSAGE("skipped: tables/rfc5880-fsm.json is not there");
      return;
    }
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const Json table = Json::parse(text);
    for (const Json& row : table["transitions"].array()) {
      const std::string event = row["event"].string();
      CAPTURE(row["state"].string());
      CAPTURE(event);
      Bench bench;
      bench.reach(state_named(row["state"].string()));
      const BfdDiag before = bench.session.diag();
      const BfdState from = bench.session.state();
      std::optional<BfdStateChange> change;
      if (event == "detection timer") {
        if (from == BfdState::AdminDown || from == BfdState::Down) (void)bench.hear(BfdState::Up);
        REQUIRE(bench.session.state() == from);
        bench.now += 10s;
        change = bench.session.on_timer(bench.now);
        CHECK(bench.session.your_discriminator() == 0);
      } else {
        change = bench.hear(state_named(event.substr(3)));
      }
      const BfdState next = state_named(row["next"].string());
      CHECK(bench.session.state() == next);
      CHECK(change.has_value() == (next != from));
      if (change) CHECK(change->from == from);
      if (change) CHECK(change->to == next);
      if (change) CHECK(change->time == bench.now);
      const BfdDiag kept = next == BfdState::Up && from != next ? BfdDiag::None : before;
      CHECK(bench.session.diag() ==
            (row["set_diag"].is_null() ? kept : static_cast<BfdDiag>(row["set_diag"].integer())));
    }
  }

  TEST_CASE("RFC 5880 6.8.1: starts Down, with a discriminator and no peer") {
    Bench bench;
    CHECK(bench.session.state() == BfdState::Down);
    CHECK(bench.session.my_discriminator() != 0);
    CHECK(bench.session.your_discriminator() == 0);
    CHECK(bench.session.detection_time() == 0ns);
    CHECK(bench.session.next_timeout() == kStart);
    const auto first = bench.session.poll_transmit(kStart);
    REQUIRE(first);
    CHECK(first->state == BfdState::Down);
    CHECK(first->your_discriminator == 0);
    CHECK(first->desired_min_tx == 1s);
    CHECK(first->required_min_rx == 20ms);
    CHECK_FALSE(first->poll);
  }

  TEST_CASE("RFC 5880 6.3: discards a packet for another session") {
    Bench bench;
    BfdControl stray = from_peer(BfdState::Down, bench.session.my_discriminator() + 1);
    CHECK_FALSE(bench.hear(stray));
    CHECK(bench.session.your_discriminator() == 0);
    bench.reach(BfdState::Up);
    stray.state = BfdState::AdminDown;
    CHECK_FALSE(bench.hear(stray));
    CHECK(bench.session.state() == BfdState::Up);
  }

  TEST_CASE("your discriminator 0 in Down is honoured while Up") {
    Bench bench;
    bench.reach(BfdState::Up);
    const auto change = bench.hear(from_peer(BfdState::Down, 0));
    REQUIRE(change);
    CHECK(change->to == BfdState::Down);
    CHECK(change->diag == BfdDiag::NeighborSignaledDown);
  }

  TEST_CASE("a changed my discriminator takes Up to Down, whatever state it tells") {
    for (const BfdState state : {BfdState::Down, BfdState::Init, BfdState::Up}) {
      Bench bench;
      bench.reach(BfdState::Up);
      BfdControl control = from_peer(state, bench.session.my_discriminator());
      control.my_discriminator = kPeer + 1;
      const auto change = bench.hear(control);
      REQUIRE(change);
      CHECK(change->to == BfdState::Down);
      CHECK(bench.session.your_discriminator() == kPeer + 1);
    }
  }

  TEST_CASE("a changed boot id restarts the session") {
    Bench bench;
    bench.reach(BfdState::Up);
    const auto change = bench.session.restart(bench.now);
    REQUIRE(change);
    CHECK(change->to == BfdState::Down);
    CHECK(bench.session.your_discriminator() == 0);
    const auto packet = bench.session.poll_transmit(bench.now);
    REQUIRE(packet);
    CHECK(packet->state == BfdState::Down);
    CHECK(packet->your_discriminator == 0);
    CHECK_FALSE(bench.session.restart(bench.now + 1ms));
  }

  TEST_CASE("RFC 5880 6.8.4: detection time is the peer's multiplier times the slower interval") {
    Bench bench({.intervals = {20ms, 50ms, 7}});
    bench.reach(BfdState::Up);
    CHECK(bench.session.detection_time() == 3 * 50ms);
    BfdControl control = from_peer(BfdState::Up, bench.session.my_discriminator());
    control.desired_min_tx = 200ms;
    control.detect_mult = 5;
    (void)bench.hear(control);
    CHECK(bench.session.detection_time() == 5 * 200ms);
  }

  TEST_CASE("RFC 5880 6.8.4: goes Down when detection time passes, not before") {
    Bench bench;
    bench.reach(BfdState::Up);
    const Time deadline = bench.now + bench.session.detection_time();
    CHECK_FALSE(bench.session.on_timer(deadline - 1ns));
    const auto change = bench.session.on_timer(deadline);
    REQUIRE(change);
    CHECK(change->diag == BfdDiag::DetectionTimeExpired);
    CHECK(bench.session.your_discriminator() == 0);
    const auto packet = bench.session.poll_transmit(deadline);
    REQUIRE(packet);
    CHECK(packet->diag == BfdDiag::DetectionTimeExpired);
    CHECK(packet->desired_min_tx == 1s);
  }

  TEST_CASE("any packet is a sign of life, unless strict") {
    for (const BfdLiveness liveness : {BfdLiveness::AnyPacket, BfdLiveness::Strict}) {
      Bench bench({.liveness = liveness});
      bench.reach(BfdState::Up);
      const Time deadline = bench.now + bench.session.detection_time();
      bench.session.on_sign_of_life(bench.now + 30ms);
      CHECK(bench.session.on_timer(deadline).has_value() == (liveness == BfdLiveness::Strict));
    }
  }

  TEST_CASE("a late loop moves the deadline once") {
    Bench bench;
    bench.reach(BfdState::Up);
    const Time deadline = bench.now + bench.session.detection_time();
    bench.session.shift_deadline(300ms);
    CHECK_FALSE(bench.session.on_timer(deadline + 300ms - 1ns));
    bench.now = deadline;
    (void)bench.hear(BfdState::Up);
    CHECK_FALSE(bench.session.on_timer(deadline + bench.session.detection_time() - 1ns));
    CHECK(bench.session.on_timer(deadline + bench.session.detection_time()));
  }

  TEST_CASE("RFC 5880 6.8.7: sends nothing periodic to a peer that wants nothing") {
    Bench bench;
    bench.reach(BfdState::Up);
    bench.settle_poll();
    BfdControl control = from_peer(BfdState::Up, bench.session.my_discriminator());
    control.required_min_rx = 0us;
    (void)bench.hear(control);
    CHECK(bench.session.transmit_interval() == 0ns);
    CHECK_FALSE(bench.session.poll_transmit(bench.now + 10s));
    control.poll = true;
    (void)bench.hear(control);
    const auto answer = bench.session.poll_transmit(bench.now);
    REQUIRE(answer);
    CHECK(answer->final);
    control.poll = false;
    control.required_min_rx = 20ms;
    (void)bench.hear(control);
    CHECK(bench.session.poll_transmit(bench.now + 20ms));
  }

  TEST_CASE("RFC 5880 6.8.7: sends at the slower of both wishes, jittered by 75 to 100 percent") {
    for (const int mult : {1, 4}) {
      Bench bench({.intervals = {20ms, 20ms, static_cast<std::uint8_t>(mult)}});
      bench.reach(BfdState::Up);
      BfdControl control = from_peer(BfdState::Up, bench.session.my_discriminator());
      control.required_min_rx = 100ms;
      control.desired_min_tx = 100ms;
      control.final = true;
      (void)bench.hear(control);
      bench.drain();
      REQUIRE(bench.session.transmit_interval() == 100ms);
      Duration least = 1h;
      Duration most{};
      (void)bench.session.poll_transmit(bench.session.next_timeout());
      for (int i = 0; i < 2000; ++i) {
        (void)bench.hear(control);
        const Time due = bench.session.next_timeout();
        REQUIRE(bench.session.poll_transmit(due));
        const Duration gap = bench.session.next_timeout() - due;
        bench.now = due;
        if (i < 2) continue;
        least = std::min(least, gap);
        most = std::max(most, gap);
      }
      CHECK(least >= 75ms);
      CHECK(least < 77ms);
      CHECK(most <= (mult == 1 ? 90ms : 100ms));
      CHECK(most > (mult == 1 ? 88ms : 98ms));
    }
  }

  TEST_CASE("RFC 5880 6.5: answers P with F at once, never both in one packet") {
    Bench bench;
    bench.reach(BfdState::Up);
    BfdControl control = from_peer(BfdState::Up, bench.session.my_discriminator());
    control.poll = true;
    (void)bench.hear(control);
    CHECK(bench.session.next_timeout() == bench.now);
    const auto answer = bench.session.poll_transmit(bench.now);
    REQUIRE(answer);
    CHECK(answer->final);
    CHECK_FALSE(answer->poll);
    CHECK_FALSE(bench.session.poll_transmit(bench.now));
  }

  TEST_CASE("RFC 5880 6.8.3: slower sending waits for the Final") {
    Bench bench;
    bench.reach(BfdState::Up);
    bench.settle_poll();
    bench.now += kBfdPollGap;
    (void)bench.hear(BfdState::Up);
    bench.session.set_intervals(bench.now, {500ms, 20ms, 4});
    CHECK(bench.session.transmit_interval() == 20ms);
    const auto poll = bench.session.poll_transmit(bench.now);
    REQUIRE(poll);
    CHECK(poll->poll);
    CHECK(poll->desired_min_tx == 500ms);
    bench.settle_poll();
    CHECK(bench.session.transmit_interval() == 500ms);
  }

  TEST_CASE("RFC 5880 6.8.3: faster expectation waits for the Final") {
    Bench bench({.intervals = kBfdIdle});
    bench.reach(BfdState::Up);
    bench.settle_poll();
    CHECK(bench.session.detection_time() == 3 * 300ms);
    bench.now += kBfdPollGap;
    bench.session.set_intervals(bench.now, kBfdActive);
    CHECK(bench.session.detection_time() == 3 * 300ms);
    CHECK(bench.session.transmit_interval() == 20ms);
    bench.drain();
    bench.settle_poll();
    CHECK(bench.session.detection_time() == 3 * 20ms);
  }

  TEST_CASE("RFC 5880 6.8.3: a change during a Poll Sequence needs one of its own") {
    Bench bench;
    bench.reach(BfdState::Up);  // its Poll Sequence is running
    bench.session.set_intervals(bench.now, {500ms, 20ms, 4});
    bench.settle_poll();
    CHECK(bench.session.transmit_interval() == 20ms);
    bench.settle_poll();  // a late Final of the first
    CHECK(bench.session.transmit_interval() == 20ms);
    bench.now += kBfdPollGap;
    const auto poll = bench.session.poll_transmit(bench.now);
    REQUIRE(poll);
    CHECK(poll->poll);
    bench.settle_poll();
    CHECK(bench.session.transmit_interval() == 500ms);
  }

  TEST_CASE("RFC 5880 6.8.12: detect mult changes at once and without a Poll") {
    Bench bench;
    bench.reach(BfdState::Up);
    bench.settle_poll();
    bench.session.set_intervals(bench.now, {20ms, 20ms, 8});
    const auto packet = bench.session.poll_transmit(bench.now);
    REQUIRE(packet);
    CHECK(packet->detect_mult == 8);
    CHECK_FALSE(packet->poll);
  }

  TEST_CASE("RFC 5880 6.8.3: a peer's shorter wish counts from the last packet on") {
    Bench bench;
    bench.reach(BfdState::Up);
    BfdControl control = from_peer(BfdState::Up, bench.session.my_discriminator());
    control.required_min_rx = 1s;
    control.desired_min_tx = 1s;
    control.final = true;
    (void)bench.hear(control);
    const Time sent = bench.session.next_timeout();
    bench.now = sent;
    REQUIRE(bench.session.poll_transmit(sent));
    REQUIRE(bench.session.next_timeout() >= sent + 750ms);
    control.required_min_rx = 20ms;
    bench.now += 5ms;
    (void)bench.hear(control);
    CHECK(bench.session.next_timeout() <= sent + 20ms);
  }

  TEST_CASE("changes are told at once, but at most ten times a second") {
    Bench bench;
    bench.drain();
    std::size_t sent = 0;
    for (int i = 0; i < 900; ++i) {
      bench.now += 1ms;
      (void)bench.hear(BfdState::Down);
      (void)bench.hear(i % 2 == 0 ? BfdState::AdminDown : BfdState::Init);
      while (bench.session.poll_transmit(bench.now)) ++sent;
    }
    CHECK(sent <= static_cast<std::size_t>(kBfdImmediateCountMax) + 70);
  }
}
