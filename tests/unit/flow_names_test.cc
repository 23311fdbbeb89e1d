// Under which flow later fragments and ICMP errors are placed, and what a flood of them can do.
#include "core/flow_names.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "crypto_support.h"
#include "inner_packets.h"

using namespace wanbond;
using namespace wanbond::test;
using Fragment = InnerPacket::Fragment;

namespace {

struct Table {
  SeededRandom random{1};
  FlowNames names{random};
  Time now{10s};

  std::optional<NamedPacket> find(const InnerPacket& inner) { return names.find(now, {}, inner); }
};

/// A fragment of a UDP packet from `host`, whose first one has the source port `id`.
InnerPacket fragment(Fragment which, std::uint16_t id, std::uint32_t host = 1) {
  InnerPacket inner = *parse_inner(make_packet({.protocol = kProtocolUdp}, Checksum::Full));
  inner.source = IpAddress::v4(0x0a000000 + host);
  inner.fragment = which;
  inner.fragment_id = id;
  inner.source_port = id;
  if (which == Fragment::First) return inner;
  inner.l4_header_bytes = 0;
  inner.source_port = inner.destination_port = 0;
  return inner;
}

}  // namespace

TEST_SUITE("flow_names") {
  TEST_CASE("later fragments go under the ports of their first one, for two seconds") {
    Table table;
    CHECK_FALSE(table.find(fragment(Fragment::Later, 7)));  // nobody knows yet
    CHECK_FALSE(table.find(fragment(Fragment::First, 7)));  // it says it all itself
    for (int i = 0; i < 3; ++i) {
      const auto named = table.find(fragment(Fragment::Later, 7));
      REQUIRE(named);
      CHECK(named->part == NamedPacket::Part::Fragment);
      CHECK(named->view.source_port == 7);
      CHECK(named->view.destination_port == 443);
      CHECK(named->view.goes_with_udp());
      CHECK_FALSE(named->view.has_l4());
    }
    table.now += 2s;
    CHECK(table.find(fragment(Fragment::Later, 7)));
    table.now += 1ms;
    CHECK_FALSE(table.find(fragment(Fragment::Later, 7)));
  }

  TEST_CASE("a fragment of another packet, host or protocol is not taken for one") {
    Table table;
    (void)table.find(fragment(Fragment::First, 7));
    CHECK_FALSE(table.find(fragment(Fragment::Later, 8)));
    CHECK_FALSE(table.find(fragment(Fragment::Later, 7, 2)));
    InnerPacket other = fragment(Fragment::Later, 7);
    other.protocol = kProtocolTcp;
    CHECK_FALSE(table.find(other));
    other = fragment(Fragment::Later, 7);
    other.destination = IpAddress::v4(0x0a000063);
    CHECK_FALSE(table.find(other));
  }

  TEST_CASE("RFC 8200 4.5: behind which header an IPv6 fragment stands does not matter") {
    Table table;
    InnerPacket first = fragment(Fragment::First, 7);
    first.version = 6;
    (void)table.find(first);
    InnerPacket later = fragment(Fragment::Later, 7);
    later.version = 6;
    later.protocol = 60;  // the first one had destination options before UDP
    const auto named = table.find(later);
    REQUIRE(named);
    CHECK(named->view.protocol == kProtocolUdp);
  }

  TEST_CASE("one host remembers its eight newest packets, and takes no room from all others") {
    Table table;
    for (std::uint32_t host = 2; host <= 4; ++host)
      (void)table.find(fragment(Fragment::First, 7, host));
    for (unsigned id = 0; id < 60'000; ++id) {
      table.now += 1us;
      (void)table.find(fragment(Fragment::First, static_cast<std::uint16_t>(id)));
    }
    for (unsigned id = 59'000; id < 60'000; ++id)
      CHECK(table.find(fragment(Fragment::Later, static_cast<std::uint16_t>(id))).has_value() ==
            (id >= 59'992));
    for (std::uint32_t host = 2; host <= 4; ++host)
      CHECK(table.find(fragment(Fragment::Later, 7, host)));
  }

  TEST_CASE("what says its flow itself is left alone, an error goes with what it tells of") {
    Table table;
    const Buffer whole = make_packet({}, Checksum::Full);
    const auto inner = parse_inner(whole);
    CHECK_FALSE(table.names.find(table.now, whole, *inner));
    Buffer error = make_packet({.payload_bytes = 16}, Checksum::Full);
    error[9] = std::byte{kProtocolIcmp};
    error[20] = std::byte{3};
    std::copy_n(whole.begin(), 28, error.begin() + 28);
    std::swap_ranges(error.begin() + 12, error.begin() + 16, error.begin() + 16);
    const auto named = table.names.find(table.now, error, *parse_inner(error));
    REQUIRE(named);
    CHECK(named->part == NamedPacket::Part::Error);
    CHECK(named->view.goes_with_tcp());
    CHECK(named->view.destination_port == 40000);
  }
}
