// Which packets are copied without being asked for, where to, and how much that may cost.
#include "sched/spare_copies.h"

#include <doctest/doctest.h>

#include <vector>

#include "inner_packets.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

constexpr auto kUsable = Usability::Usable;

RulePath path(std::uint8_t id, std::uint16_t wan, Duration delay, unsigned rank = 0,
              Usability usability = kUsable) {
  return {{PathId{id}, usability, rank, delay}, SocketId{wan}};
}

InnerPacket tcp(std::uint8_t flags, std::size_t payload = 0) {
  return *parse_inner(make_packet({.payload_bytes = payload, .tcp_flags = flags}, Checksum::Full));
}

InnerPacket udp(std::uint16_t from, std::uint16_t to, std::size_t payload) {
  InnerPacket inner = *parse_inner(
      make_packet({.protocol = kProtocolUdp, .payload_bytes = payload}, Checksum::Full));
  inner.source_port = from;
  inner.destination_port = to;
  return inner;
}

}  // namespace

TEST_SUITE("spare_copies") {
  TEST_CASE("SYNs, DNS and the first two packets of a UDP flow are copied, nothing else") {
    struct Row {
      const char* what;
      InnerPacket inner;
      std::uint32_t uses;
      bool is_wanted;
    };
    for (const Row& row :
         {Row{"SYN", tcp(kTcpSyn), 1, true}, Row{"a repeated SYN", tcp(kTcpSyn), 7, true},
          Row{"SYN/ACK", tcp(kTcpSyn | kTcpAck), 1, true},
          Row{"pure acknowledgement", tcp(kTcpAck), 2, false},
          Row{"FIN", tcp(kTcpAck | kTcpFin), 9, false},
          Row{"first data", tcp(kTcpAck | kTcpPsh, 300), 3, false},
          Row{"question", udp(40000, 53, 40), 9, true}, Row{"answer", udp(53, 40000, 400), 9, true},
          Row{"first of UDP", udp(40000, 443, 1300), 1, true},
          Row{"second of UDP", udp(40000, 443, 1300), 2, true},
          Row{"third of UDP", udp(40000, 443, 1300), 3, false},
          Row{"larger than a packet", udp(40000, 53, 1600), 1, false}}) {
      CAPTURE(row.what);
      CHECK(SpareCopies::is_wanted(row.inner, row.uses) == row.is_wanted);
    }
  }

  TEST_CASE("a copy goes over another WAN of the same rank that works, the fastest") {
    struct Row {
      const char* what;
      std::vector<RulePath> paths;
      std::optional<PathId> copy;
    };
    const PathId usual{0};
    const RulePath own = path(0, 0, 10ms);
    for (const Row& row :
         {Row{"two others", {own, path(1, 1, 40ms), path(2, 2, 20ms)}, PathId{2}},
          Row{"the same WAN", {own, path(1, 0, 10ms)}, {}},
          Row{"metered", {own, path(1, 1, 10ms, 1000)}, {}},
          Row{"both metered", {path(0, 0, 10ms, 1000), path(1, 1, 10ms, 1000)}, PathId{1}},
          Row{"suspect", {own, path(1, 1, 10ms, 0, Usability::LastResort)}, {}},
          Row{"held", {own, path(1, 1, 10ms, 0, Usability::Held)}, {}}, Row{"alone", {own}, {}},
          Row{"none", {}, {}},
          Row{"its own is none of the best", {path(1, 1, 10ms), path(2, 2, 10ms)}, {}}}) {
      CAPTURE(row.what);
      SpareCopies copies;
      copies.update(row.paths);
      CHECK(copies.take(Time{1s}, usual, 100) == row.copy);
      CHECK(copies.counters().packets == (row.copy ? 1 : 0));
    }
  }

  TEST_CASE("copies take what is saved, then 1 % of what is sent, at least 1000 bytes a second") {
    SpareCopies copies;
    const std::vector<RulePath> paths{path(0, 0, 10ms), path(1, 1, 20ms)};
    copies.update(paths);
    Time now{1h};
    const auto take_all = [&] {
      const std::uint64_t before = copies.counters().bytes;
      while (copies.take(now, PathId{0}, 100)) {
      }
      return copies.counters().bytes - before;
    };
    CHECK(take_all() == 32'000);
    CHECK(take_all() == 0);
    now += 1s;
    CHECK(take_all() == 1000);
    copies.on_sent(1'000'000);
    now += 1s;
    CHECK(take_all() == 10'000);
    std::uint64_t copied = 0;
    for (int i = 0; i < 10'000; ++i) {  // beside 10 Mbytes a second
      now += 100us;
      copies.on_sent(1000);
      copied += take_all();
    }
    CHECK(copied == doctest::Approx(100'000).epsilon(0.02));
    copies.on_sent(std::uint64_t{1} << 40);
    now += 24h;
    CHECK(take_all() == 32'000);
  }
}
