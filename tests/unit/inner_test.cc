#include "base/inner.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

#include "inner_packets.h"

using namespace wanbond;
using namespace wanbond::test;
using Fragment = InnerPacket::Fragment;

namespace {

// An IPv6 packet with `extensions` (the first of type `first`) in front of a TCP header.
Buffer with_extensions(std::uint8_t first, const std::vector<std::uint8_t>& extensions) {
  Buffer packet = make_packet({.version = 6, .payload_bytes = 10}, Checksum::Full);
  packet[6] = std::byte{first};
  std::vector<std::byte> raw;
  for (const std::uint8_t byte : extensions) raw.push_back(std::byte{byte});
  packet.insert(packet.begin() + 40, raw.begin(), raw.end());
  ByteWriter(MutableBytes(packet).subspan(4))
      .u16_be(static_cast<std::uint16_t>(packet.size() - 40));
  return packet;
}

/// An ICMP error of `type` from a router to the sender of `cause`, of which it quotes `quoted`
/// bytes.
Buffer error_about(const Buffer& cause, std::uint8_t type, std::size_t quoted) {
  const unsigned version = std::to_integer<unsigned>(cause[0] >> 4);
  const std::size_t ip = version == 4 ? 20 : 40;
  Buffer error = make_packet({.version = version, .payload_bytes = quoted - 12}, Checksum::Full);
  const std::size_t address = version == 4 ? 4 : 16;
  error[version == 4 ? 9 : 6] = std::byte{version == 4 ? kProtocolIcmp : kProtocolIcmpV6};
  std::copy_n(cause.begin() + static_cast<std::ptrdiff_t>(ip - 2 * address), address,
              error.begin() + static_cast<std::ptrdiff_t>(ip - address));
  error[ip - address - 1] = std::byte{99};  // not the host that the cause went to
  error[ip] = std::byte{type};
  std::copy_n(cause.begin(), quoted, error.begin() + static_cast<std::ptrdiff_t>(ip + 8));
  return error;
}

std::optional<InnerPacket> flow_of(const Buffer& error) {
  const auto inner = parse_inner(error);
  return inner ? icmp_error_flow(error, *inner) : std::nullopt;
}

constexpr std::uint8_t kHop = 0, kRoute = 43, kFrag = 44, kAuth = 51, kDest = 60;

}  // namespace

TEST_SUITE("inner") {
  TEST_CASE("the view of a TCP or UDP packet says what its headers say") {
    for (const unsigned version : {4u, 6u}) {
      for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
        CAPTURE(version);
        const bool tcp = protocol == kProtocolTcp;
        const Buffer packet = make_packet({.version = version,
                                           .protocol = protocol,
                                           .tcp_flags = kTcpAck | kTcpPsh,
                                           .tcp_options = 12,
                                           .traffic_class = 0xb9},
                                          Checksum::Full);
        const auto inner = parse_inner(packet);
        REQUIRE(inner);
        CHECK(inner->version == version);
        CHECK(inner->source.to_string() == (version == 4 ? "10.0.0.1" : "2001:db8::1"));
        CHECK(inner->destination.to_string() == (version == 4 ? "10.0.0.2" : "2001:db8::2"));
        CHECK(inner->total_bytes == packet.size());
        CHECK(inner->l4_offset == (version == 4 ? 20 : 40));
        CHECK(inner->protocol == protocol);
        CHECK(inner->is_tcp() == tcp);
        CHECK(inner->is_udp() == !tcp);
        CHECK(inner->l4_header_bytes == (tcp ? 32 : 8));
        CHECK(inner->payload_bytes() == 100);
        CHECK(inner->source_port == 40000);
        CHECK(inner->destination_port == 443);
        CHECK(inner->tcp_flags == (tcp ? kTcpAck | kTcpPsh : 0));
        CHECK(inner->dscp() == 46);
        CHECK(inner->ecn() == 1);
        CHECK_FALSE(inner->is_fragment());
      }
    }
  }

  TEST_CASE("a packet cut anywhere is none, bytes behind it are ignored") {
    for (const unsigned version : {4u, 6u}) {
      Buffer packet = make_packet({.version = version, .tcp_options = 8}, Checksum::Full);
      for (std::size_t size = 0; size < packet.size(); ++size) {
        const Buffer cut(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_FALSE(parse_inner(cut));
      }
      packet.resize(packet.size() + 7);
      CHECK(parse_inner(packet)->total_bytes == packet.size() - 7);
    }
  }

  TEST_CASE("a packet whose own length cuts its L4 header has no ports") {
    for (const unsigned version : {4u, 6u}) {
      const std::size_t ip = version == 4 ? 20 : 40;
      const std::size_t l4 = 28;
      Buffer packet = make_packet({.version = version, .tcp_options = 8}, Checksum::Full);
      for (std::size_t size = ip; size < ip + l4 + 3; ++size) {
        ByteWriter(MutableBytes(packet).subspan(version == 4 ? 2 : 4))
            .u16_be(static_cast<std::uint16_t>(version == 4 ? size : size - ip));
        const auto inner = parse_inner(packet);
        REQUIRE(inner);
        CHECK(inner->has_l4() == (size >= ip + l4));
        CHECK(inner->total_bytes == size);
        CHECK(inner->header_bytes() + inner->payload_bytes() == size);
      }
    }
  }

  TEST_CASE("malformed IP headers are none") {
    const Buffer good = make_packet({}, Checksum::Full);
    struct Row {
      const char* what;
      std::size_t at;
      unsigned value;
    };
    for (const Row& row : {Row{"version 5", 0, 0x55}, Row{"version 0", 0, 0x05},
                           Row{"header of 16 bytes", 0, 0x44}, Row{"total below header", 3, 19}}) {
      CAPTURE(row.what);
      Buffer bad = good;
      bad[2] = row.at == 3 ? std::byte{0} : bad[2];
      bad[row.at] = static_cast<std::byte>(row.value);
      CHECK_FALSE(parse_inner(bad));
    }
    CHECK_FALSE(parse_inner({}));
    Buffer bad_offset = good;
    bad_offset[32] = std::byte{0x40};
    CHECK_FALSE(parse_inner(bad_offset)->has_l4());
    bad_offset[32] = std::byte{0xf0};
    CHECK(parse_inner(bad_offset)->l4_header_bytes == 60);
  }

  TEST_CASE("RFC 4291 2.5.5.2: a v4-mapped address inside IPv6 does not pass for IPv4") {
    for (const std::size_t at : {8u, 24u}) {
      Buffer packet = make_packet({.version = 6}, Checksum::Full);
      ByteWriter writer(MutableBytes(packet).subspan(at));
      writer.u64_be(0);
      writer.u32_be(0xffff);
      CHECK_FALSE(parse_inner(packet));
    }
  }

  TEST_CASE("IPv4 options move the L4 header") {
    Buffer packet = make_packet({.protocol = kProtocolUdp}, Checksum::Full);
    packet.insert(packet.begin() + 20, 8, std::byte{1});
    packet[0] = std::byte{0x47};
    packet[3] = static_cast<std::byte>(packet.size());
    const auto inner = parse_inner(packet);
    REQUIRE(inner);
    CHECK(inner->l4_offset == 28);
    CHECK(inner->source_port == 40000);
  }

  TEST_CASE("fragments are told apart, and only later ones have no ports") {
    struct Row {
      std::uint16_t field;
      Fragment fragment;
    };
    for (const Row& row :
         {Row{0x0000, Fragment::None}, Row{0x4000, Fragment::None}, Row{0x2000, Fragment::First},
          Row{0x2001, Fragment::Later}, Row{0x1fff, Fragment::Later}}) {
      CAPTURE(row.field);
      const auto inner = parse_inner(make_packet({.fragment = row.field}, Checksum::Full));
      REQUIRE(inner);
      CHECK(inner->fragment == row.fragment);
      CHECK(inner->is_fragment() == (row.fragment != Fragment::None));
      CHECK(inner->has_l4() == (row.fragment != Fragment::Later));
    }
  }

  TEST_CASE("RFC 8200 4: extension headers are walked") {
    const std::vector<std::uint8_t> chain{kRoute, 0, 0, 0, 0, 0, 0, 0,   // hop by hop, 8 bytes
                                          kDest,  1, 0, 0, 0, 0, 0, 0,   // routing, 16 bytes
                                          0,      0, 0, 0, 0, 0, 0, 0,   //
                                          kAuth,  0, 0, 0, 0, 0, 0, 0,   // destination, 8 bytes
                                          kFrag,  1, 0, 0, 0, 0, 0, 0,   // authentication, 12
                                          0,      0, 0, 0,               //
                                          6,      0, 0, 0, 0, 0, 0, 9};  // atomic fragment
    const auto inner = parse_inner(with_extensions(kHop, chain));
    REQUIRE(inner);
    CHECK(inner->protocol == kProtocolTcp);
    CHECK(inner->l4_offset == 40 + chain.size());
    CHECK(inner->source_port == 40000);
    CHECK_FALSE(inner->is_fragment());
  }

  TEST_CASE("RFC 8200 4.5: the fragment header says which part it is") {
    const auto first = parse_inner(with_extensions(kFrag, {6, 0, 0, 1, 0, 0, 0, 9}));
    CHECK(first->fragment == Fragment::First);
    CHECK(first->is_tcp());
    const auto later = parse_inner(with_extensions(kFrag, {6, 0, 0, 8, 0, 0, 0, 9}));
    CHECK(later->fragment == Fragment::Later);
    CHECK_FALSE(later->has_l4());
    CHECK(later->protocol == kProtocolTcp);
    // What follows a later fragment's header is payload, whatever it looks like.
    const auto deep =
        parse_inner(with_extensions(kFrag, {kDest, 0, 0, 8, 0, 0, 0, 9, 6, 0, 0, 0, 0, 0, 0, 0}));
    CHECK(deep->protocol == kDest);
    CHECK(deep->l4_offset == 48);
  }

  TEST_CASE("the walk over extension headers is bounded and stops at a cut one") {
    std::vector<std::uint8_t> chain;
    for (int i = 0; i < 8; ++i) {
      const std::uint8_t next = i == 7 ? kProtocolTcp : kDest;
      chain.insert(chain.end(), {next, 0, 0, 0, 0, 0, 0, 0});
    }
    CHECK(parse_inner(with_extensions(kDest, chain))->is_tcp());
    chain.insert(chain.begin(), {kDest, 0, 0, 0, 0, 0, 0, 0});
    const auto nine = parse_inner(with_extensions(kDest, chain));
    REQUIRE(nine);
    CHECK_FALSE(nine->has_l4());
    CHECK(nine->protocol == kDest);
  }

  TEST_CASE("an extension header longer than the packet is not walked") {
    const auto cut = parse_inner(with_extensions(kDest, {6, 200, 0, 0, 0, 0, 0, 0}));
    REQUIRE(cut);
    CHECK_FALSE(cut->has_l4());
    CHECK(cut->protocol == kDest);
    CHECK(cut->l4_offset == 40);
  }

  TEST_CASE("fragments have the number that all parts of a packet share, others have none") {
    for (const unsigned field : {0x4000U, 0x2000U, 0x2001U}) {
      const auto inner =
          parse_inner(make_packet({.fragment = static_cast<std::uint16_t>(field)}, Checksum::Full));
      CHECK(inner->fragment_id == (inner->is_fragment() ? 0x1234 : 0));
    }
    for (const std::uint8_t place : std::array<std::uint8_t, 3>{0, 1, 8}) {
      const auto inner = parse_inner(with_extensions(kFrag, {6, 0, 0, place, 0x12, 0x34, 5, 6}));
      CHECK(inner->fragment_id == (place == 0 ? 0 : 0x12340506));
    }
  }

  TEST_CASE("RFC 792, 4443: an error goes with the flow of what it quotes, the other way round") {
    for (const unsigned version : {4u, 6u}) {
      for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
        const Buffer cause =
            make_packet({.version = version, .protocol = protocol}, Checksum::Full);
        const auto quoted = parse_inner(cause);
        const std::size_t ip = version == 4 ? 20 : 40;
        for (unsigned type = 0; type < 256; ++type) {
          CAPTURE(type);
          const auto flow = flow_of(error_about(cause, static_cast<std::uint8_t>(type), ip + 8));
          const bool is_error =
              version == 4 ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
          REQUIRE(flow.has_value() == is_error);
          if (!flow) continue;
          CHECK(flow->source == quoted->destination);
          CHECK(flow->destination == quoted->source);
          CHECK(flow->source_port == 443);
          CHECK(flow->destination_port == 40000);
          CHECK(flow->protocol == protocol);
          CHECK(flow->has_ports());
          CHECK(flow->goes_with_tcp() == (protocol == kProtocolTcp));
          CHECK_FALSE(flow->has_l4());  // whoever looks for its header must not find one
          CHECK(flow->total_bytes == ip + 8 + ip + 8);
        }
      }
    }
  }

  TEST_CASE(
      "an error whose quotation is cut has the ports if they are there, else at least hosts") {
    for (const unsigned version : {4u, 6u}) {
      const Buffer cause = make_packet({.version = version}, Checksum::Full);
      const std::size_t ip = version == 4 ? 20 : 40;
      for (std::size_t quoted = 12; quoted < ip + 30; ++quoted) {
        CAPTURE(quoted);
        const auto flow = flow_of(error_about(cause, 3, quoted));
        CHECK(flow.has_value() == (quoted >= ip));
        if (flow) CHECK(flow->has_ports() == (quoted >= ip + 4));
      }
    }
  }

  TEST_CASE("an error that quotes nothing of its receiver's own goes with no flow") {
    const Buffer cause = make_packet({}, Checksum::Full);
    const auto quoting = [&](std::size_t at, std::uint8_t value) {
      Buffer error = error_about(cause, 3, 40);
      error[28 + at] = std::byte{value};
      return flow_of(error).has_value();
    };
    CHECK(quoting(8, 64));
    CHECK_FALSE(quoting(15, 77));   // another sender
    CHECK_FALSE(quoting(0, 0x44));  // a header of 16 bytes
    CHECK_FALSE(quoting(0, 0x4f));  // one of 60, of which 40 are there
    CHECK_FALSE(quoting(0, 0x65));  // IPv6 in an error of IPv4
    CHECK_FALSE(quoting(7, 1));     // a later fragment
    Buffer fragment = error_about(cause, 3, 40);
    fragment[6] = std::byte{0x20};
    CHECK_FALSE(flow_of(fragment));
    // An error about an error, which nobody may send, is placed by its hosts.
    const auto nested = flow_of(error_about(error_about(cause, 3, 40), 3, 60));
    REQUIRE(nested);
    CHECK(nested->protocol == kProtocolIcmp);
    CHECK_FALSE(nested->has_ports());
  }

  TEST_CASE("RFC 1071 3: the sum of its example is ddf2") {
    const Buffer bytes{std::byte{0x00}, std::byte{0x01}, std::byte{0xf2}, std::byte{0x03},
                       std::byte{0xf4}, std::byte{0xf5}, std::byte{0xf6}, std::byte{0xf7}};
    CHECK(checksum_fold(checksum_add(0, bytes)) == 0xddf2);
  }

  TEST_CASE("the fast sum equals the slow one for every length, also of carries only") {
    std::mt19937 random(1);
    for (std::size_t size = 0; size < 300; ++size) {
      Buffer bytes(size);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      CHECK(checksum_fold(checksum_add(0, bytes)) == slow_sum(bytes));
      std::fill(bytes.begin(), bytes.end(), std::byte{0xff});
      CHECK(checksum_fold(checksum_add(0, bytes)) == slow_sum(bytes));
      const std::size_t half = size / 4 * 2;
      const std::uint64_t front = checksum_add(0, Bytes(bytes).first(half));
      CHECK(checksum_fold(checksum_add(front, Bytes(bytes).subspan(half))) == slow_sum(bytes));
    }
  }

  TEST_CASE("the pseudo header's sum proves a packet's checksum") {
    for (const unsigned version : {4u, 6u}) {
      for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
        const Buffer packet = make_packet(
            {.version = version, .protocol = protocol, .payload_bytes = 33}, Checksum::Full);
        const auto inner = parse_inner(packet);
        const auto l4_bytes = static_cast<std::uint32_t>(packet.size() - inner->l4_offset);
        const std::uint64_t pseudo =
            checksum_pseudo(inner_addresses(packet, *inner), protocol, l4_bytes);
        CHECK(checksum_fold(pseudo) == slow_pseudo(packet));
        CHECK(checksum_fold(checksum_add(pseudo, Bytes(packet).subspan(inner->l4_offset))) ==
              0xffff);
      }
    }
  }
}
