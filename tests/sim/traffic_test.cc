// The traffic models over bare links: what they show through a tunnel must come from the tunnel.
#include <doctest/doctest.h>

#include "tests/sim/link.h"
#include "tests/sim/tcp_receiver.h"
#include "tests/sim/tcp_sender.h"
#include "tests/sim/twice.h"
#include "tests/sim/udp_flow.h"

using namespace wanbond;
using namespace wanbond::sim;

namespace {

const Conversation kTalk{{IpAddress::v4(0x0a010001), 40000}, {IpAddress::v4(0x0a020001), 80}, 0};
const Conversation kTalk6{
    {*IpAddress::parse("fd00:1::1"), 40000}, {*IpAddress::parse("fd00:2::1"), 80}, 0};

// a ==== there ===> b
//   <=== back  ====
struct Wire {
  Wire(World& w, const LinkSettings& both)
      : world(w),
        there(w, both, [this](Datagram&& d) { CHECK(b.deliver(d.bytes)); }),
        back(w, both, [this](Datagram&& d) { CHECK(a.deliver(d.bytes)); }) {
    a.connect([this](ByteString&& p) { there.send({{}, {}, 0, std::move(p)}); });
    b.connect([this](ByteString&& p) { back.send({{}, {}, 0, std::move(p)}); });
  }
  World& world;
  Lan a;
  Lan b;
  Link there;
  Link back;
};

struct Transfer {
  Transfer(Wire& wire, const Conversation& who, std::uint64_t bytes)
      : receiver(wire.world, wire.b, who.reversed(), 1360),
        sender(wire.world, wire.a, {.who = who, .bytes = bytes}) {
    sender.start();
  }
  TcpReceiver receiver;
  TcpSender sender;
};

}  // namespace

TEST_SUITE("sim_traffic") {
  TEST_CASE("a UDP flow counts what is lost and the longest gap") {
    twice([](World& world) {
      Wire wire(world, {.delay = 10ms});
      UdpFlow flow(world, wire.a, wire.b, {.who = kTalk, .interval = 1ms});
      flow.start();
      world.run_for(100ms);
      wire.there.cut();
      world.run_for(50ms);
      wire.there.restore();
      world.run_for(100ms);
      flow.stop();
      world.run_for(1s);
      CHECK(flow.report().damaged == 0);
      CHECK(flow.report().late == 0);
      CHECK(flow.missing() == 60);  // 50 ms of outage and 10 ms that were under way
      CHECK(to_ms(flow.report().gap_max) == doctest::Approx(61).epsilon(0.02));
      CHECK(flow.report().delay_max == 10ms);
      world.trace(flow.report().received);
    });
  }

  TEST_CASE("a TCP transfer fills a clean link over IPv4 and IPv6") {
    for (const Conversation& who : {kTalk, kTalk6}) {
      twice([&](World& world) {
        Wire wire(world, {.delay = 10ms, .rate = {20'000'000}, .queue_bytes_max = 100'000});
        Transfer transfer(wire, who, 10'000'000);
        REQUIRE(world.run_until([&] { return transfer.sender.is_done(); }, 30s));
        CHECK(transfer.receiver.report().bytes == 10'000'000);
        CHECK(transfer.receiver.report().damaged == 0);
        CHECK(transfer.sender.report().timeouts == 0);
        const double rate = 8e7 / (to_ms(world.now() - Time(1s)) / 1e3);
        CHECK(rate > 0.85 * 20e6);
        world.trace(transfer.sender.report().retransmits);
      });
    }
  }

  TEST_CASE("a TCP transfer survives 1 % loss without a time-out in most recoveries") {
    twice([](World& world) {
      Wire wire(world, {.delay = 10ms, .rate = {20'000'000}, .loss_ppm = 10'000});
      Transfer transfer(wire, kTalk, 5'000'000);
      REQUIRE(world.run_until([&] { return transfer.sender.is_done(); }, 60s));
      const auto& report = transfer.sender.report();
      CHECK(report.recoveries > 10);
      CHECK(report.timeouts <= 2);
      CHECK(report.retransmits < 100);
      world.trace(report.retransmits);
    });
  }

  TEST_CASE("a TCP transfer takes a retransmission time-out over an outage of 300 ms") {
    twice([](World& world) {
      Wire wire(world, {.delay = 10ms, .rate = {20'000'000}, .queue_bytes_max = 100'000});
      Transfer transfer(wire, kTalk, 5'000'000);
      world.run_for(500ms);
      wire.there.cut();
      world.run_for(300ms);
      wire.there.restore();
      REQUIRE(world.run_until([&] { return transfer.sender.is_done(); }, 30s));
      CHECK(transfer.sender.report().timeouts >= 1);
      CHECK(transfer.receiver.report().gap_max > 300ms);
      CHECK(transfer.receiver.report().gap_max < 1s);
    });
  }

  TEST_CASE("reordering inside a quarter of the round trip is not taken for loss too often") {
    twice([](World& world) {
      Wire wire(world,
                {.delay = 20ms, .order = LinkOrder::Free, .jitter = 500us, .rate = {20'000'000}});
      Transfer transfer(wire, kTalk, 2'000'000);
      REQUIRE(world.run_until([&] { return transfer.sender.is_done(); }, 30s));
      CHECK(transfer.sender.report().timeouts == 0);
      CHECK(transfer.receiver.report().damaged == 0);
    });
  }
}
