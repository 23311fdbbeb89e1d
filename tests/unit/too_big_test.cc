#include "base/too_big.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "inner_packets.h"

using namespace wanbond;
using test::be16;
using test::Buffer;
using test::make_packet;
using test::PacketPlan;

namespace {

Buffer answer(const Buffer& packet, std::size_t mtu) {
  Buffer out(kTooBigBytesMax);
  out.resize(write_too_big(packet, *parse_inner(packet), mtu, out));
  return out;
}

Buffer large(unsigned version, std::uint16_t fragment = 0x4000) {
  return make_packet({.version = version, .payload_bytes = 1360, .fragment = fragment},
                     Checksum::Full);
}

}  // namespace

TEST_SUITE("too_big") {
  TEST_CASE("RFC 1191 4: the sender learns the MTU and sees the start of its packet") {
    const Buffer packet = large(4);
    const Buffer reply = answer(packet, 1333);
    const auto inner = parse_inner(reply);
    REQUIRE(inner);
    CHECK(inner->total_bytes == reply.size());
    CHECK(reply.size() == 576);
    CHECK(inner->protocol == kProtocolIcmp);
    CHECK(inner->destination == parse_inner(packet)->source);
    CHECK(inner->source == parse_inner(packet)->destination);
    CHECK(reply[20] == std::byte{3});
    CHECK(reply[21] == std::byte{4});
    CHECK(be16(reply, 26) == 1333);
    CHECK(test::slow_sum(Bytes(reply).first(20)) == 0xffff);
    CHECK(test::slow_sum(Bytes(reply).subspan(20)) == 0xffff);
    CHECK(std::equal(reply.begin() + 28, reply.end(), packet.begin()));
  }

  TEST_CASE("RFC 4443 3.2: packet too big, no larger than the least MTU of IPv6") {
    const Buffer packet = large(6);
    const Buffer reply = answer(packet, 1300);
    const auto inner = parse_inner(reply);
    REQUIRE(inner);
    CHECK(inner->total_bytes == reply.size());
    CHECK(reply.size() == 1280);
    CHECK(inner->protocol == kProtocolIcmpV6);
    CHECK(inner->destination == parse_inner(packet)->source);
    CHECK(reply[40] == std::byte{2});
    CHECK(be16(reply, 46) == 1300);
    CHECK(test::slow_sum(Bytes(reply).subspan(40), test::slow_pseudo(reply)) == 0xffff);
    CHECK(std::equal(reply.begin() + 48, reply.end(), packet.begin()));
  }

  TEST_CASE("RFC 1122 3.2.2: nothing is said about errors, later fragments and groups") {
    Buffer later = large(4, 0x0010);
    CHECK(answer(later, 1300).empty());
    Buffer group = large(4);
    group[16] = std::byte{239};
    CHECK(answer(group, 1300).empty());
    Buffer nobody = large(4);
    std::fill_n(nobody.begin() + 12, 4, std::byte{0});
    CHECK(answer(nobody, 1300).empty());
    for (const unsigned type : {3, 4, 5, 11, 12}) {
      Buffer error = large(4);
      error[9] = std::byte{kProtocolIcmp};
      error[20] = static_cast<std::byte>(type);
      CHECK(answer(error, 1300).empty());
    }
    Buffer ping = large(4);
    ping[9] = std::byte{kProtocolIcmp};
    ping[20] = std::byte{8};
    CHECK_FALSE(answer(ping, 1300).empty());
  }

  TEST_CASE("RFC 4443 2.4 e: nothing is said about errors and groups of IPv6") {
    Buffer error = large(6);
    error[6] = std::byte{kProtocolIcmpV6};
    error[40] = std::byte{1};
    CHECK(answer(error, 1300).empty());
    Buffer group = large(6);
    group[24] = std::byte{0xff};
    CHECK(answer(group, 1300).empty());
  }

  TEST_CASE("only IPv4 without don't-fragment may be cut") {
    const auto allowed = [](const Buffer& packet) {
      return may_fragment(packet, *parse_inner(packet));
    };
    CHECK(allowed(large(4, 0)));
    CHECK_FALSE(allowed(large(4)));
    CHECK_FALSE(allowed(large(6)));
  }

  TEST_CASE("RFC 791 3.2: fragments put together are the packet") {
    for (const std::size_t mtu : {68U, 576U, 1280U, 1333U, 1400U, 1500U}) {
      CAPTURE(mtu);
      const Buffer packet = large(4, 0);
      const auto inner = parse_inner(packet);
      Buffer whole(packet.begin(), packet.begin() + 20);
      const std::size_t count = fragment_count(*inner, mtu);
      for (std::size_t i = 0; i < count; ++i) {
        Buffer part(mtu);
        part.resize(write_fragment(packet, *inner, mtu, i, part));
        REQUIRE(part.size() <= mtu);
        CHECK(be16(part, 2) == part.size());
        CHECK(be16(part, 4) == be16(packet, 4));
        CHECK((be16(part, 6) & 0x1fff) * 8 == whole.size() - 20);
        CHECK(((be16(part, 6) & 0x2000) != 0) == (i + 1 < count));
        CHECK(test::slow_sum(Bytes(part).first(20)) == 0xffff);
        whole.insert(whole.end(), part.begin() + 20, part.end());
      }
      CHECK(std::equal(whole.begin() + 20, whole.end(), packet.begin() + 20, packet.end()));
    }
  }

  TEST_CASE("RFC 791 3.2: a fragment of a fragment keeps its place and its flag") {
    const Buffer packet = large(4, 0x2010);
    const auto inner = parse_inner(packet);
    const std::size_t last = fragment_count(*inner, 576) - 1;
    Buffer part(576);
    (void)write_fragment(packet, *inner, 576, last, part);
    CHECK((be16(part, 6) & 0x2000) != 0);
    CHECK((be16(part, 6) & 0x1fff) == 0x10 + last * (556 / 8));
  }

  TEST_CASE("RFC 791 3.1: only options to be copied stand in later fragments") {
    Buffer packet = large(4, 0);
    const Buffer options{std::byte{7}, std::byte{3}, std::byte{9}, std::byte{0x83},
                         std::byte{3}, std::byte{9}, std::byte{0}, std::byte{0}};
    packet.insert(packet.begin() + 20, options.begin(), options.end());
    packet[0] = std::byte{0x47};
    ByteWriter(MutableBytes(packet).subspan(2)).u16_be(static_cast<std::uint16_t>(packet.size()));
    const auto inner = parse_inner(packet);
    REQUIRE(inner);
    Buffer first(576);
    Buffer second(576);
    (void)write_fragment(packet, *inner, 576, 0, first);
    (void)write_fragment(packet, *inner, 576, 1, second);
    CHECK(std::equal(options.begin(), options.end(), first.begin() + 20));
    const Buffer kept{std::byte{1}, std::byte{1}, std::byte{1}, std::byte{0x83},
                      std::byte{3}, std::byte{9}, std::byte{0}, std::byte{0}};
    CHECK(std::equal(kept.begin(), kept.end(), second.begin() + 20));
  }
}
