#include "base/mss.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>

#include "inner_packets.h"

using namespace wanbond;
using test::Buffer;
using test::checksums_hold;
using test::make_packet;
using test::PacketPlan;

namespace {

/// A TCP packet whose options start with `options`; a multiple of 4 of them.
Buffer with_options(unsigned version, std::uint8_t flags, std::initializer_list<unsigned> options,
                    Checksum checksum = Checksum::Full) {
  const PacketPlan plan{.version = version,
                        .payload_bytes = 0,
                        .tcp_flags = flags,
                        .tcp_options = static_cast<std::uint8_t>(options.size())};
  Buffer packet = make_packet(plan, Checksum::Partial);
  const std::size_t ip = version == 4 ? 20 : 40;
  auto at = packet.begin() + static_cast<std::ptrdiff_t>(ip + 20);
  for (const unsigned option : options) *at++ = static_cast<std::byte>(option);
  if (checksum == Checksum::Partial) return packet;
  ByteWriter(MutableBytes(packet).subspan(ip + 16)).u16_be(0);
  const unsigned sum = test::slow_sum(Bytes(packet).subspan(ip), test::slow_pseudo(packet));
  ByteWriter(MutableBytes(packet).subspan(ip + 16)).u16_be(static_cast<std::uint16_t>(~sum));
  return packet;
}

bool clamp(Buffer& packet, std::size_t bytes, TcpSum sum = TcpSum::Full) {
  return clamp_mss(packet, *parse_inner(packet), bytes, sum);
}

/// Places of bytes that differ.
std::vector<std::size_t> changes(const Buffer& a, const Buffer& b) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) places.push_back(i);
  return places;
}

}  // namespace

TEST_SUITE("mss") {
  TEST_CASE("a SYN and a SYN/ACK offer what fits, and their checksums hold") {
    for (const unsigned version : {4U, 6U}) {
      for (const std::uint8_t flags : {kTcpSyn, static_cast<std::uint8_t>(kTcpSyn | kTcpAck)}) {
        for (std::size_t bytes = 1280; bytes < 1500; ++bytes) {
          Buffer packet = with_options(version, flags, {2, 4, 5, 180, 4, 2, 1, 1});
          REQUIRE(checksums_hold(packet));
          const std::size_t mss = bytes - (version == 4 ? 40 : 60);
          REQUIRE(clamp(packet, bytes) == (mss < 1460));
          const std::size_t at = (version == 4 ? 20U : 40U) + 22;
          REQUIRE(test::be16(packet, at) == std::min<std::size_t>(mss, 1460));
          REQUIRE(checksums_hold(packet));
        }
      }
    }
  }

  TEST_CASE("it changes the value and the checksum, no other byte, wherever the option stands") {
    for (const auto& options : {std::initializer_list<unsigned>{2, 4, 5, 180},
                                {1, 2, 4, 5, 180, 1, 1, 1},  // odd place
                                {4, 2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 2, 4, 5, 180, 3, 3, 7, 0},
                                {30, 4, 0, 1, 1, 1, 1, 2, 4, 5, 180, 0}}) {
      const Buffer before = with_options(4, kTcpSyn, options);
      Buffer after = before;
      CHECK(clamp(after, 1280));
      CHECK(checksums_hold(after));
      for (const std::size_t at : changes(before, after)) {
        const bool is_checksum = at == 36 || at == 37;
        const bool is_value = before[at] == std::byte{5} || before[at] == std::byte{180};
        CHECK((is_checksum || is_value));
      }
    }
  }

  TEST_CASE("a partial checksum stays as it is: it does not cover the option yet") {
    const Buffer before = with_options(4, kTcpSyn, {2, 4, 5, 180}, Checksum::Partial);
    Buffer after = before;
    CHECK(clamp(after, 1280, TcpSum::Partial));
    CHECK(changes(before, after) == std::vector<std::size_t>{42, 43});
  }

  TEST_CASE("it is never raised and never added") {
    for (const auto& options : {std::initializer_list<unsigned>{2, 4, 4, 0}, {1, 1, 1, 1}, {}}) {
      const Buffer before = with_options(4, kTcpSyn, options);
      Buffer after = before;
      CHECK_FALSE(clamp(after, 1280));
      CHECK(after == before);
    }
  }

  TEST_CASE("malformed options, other packets and fragments stay as they are") {
    for (const auto& options : {std::initializer_list<unsigned>{2, 3, 5, 180},
                                {2, 5, 5, 180},
                                {8, 0, 2, 4},
                                {8, 1, 2, 4},
                                {1, 1, 1, 2},
                                {8, 200, 2, 4, 5, 180, 1, 1},
                                {0, 2, 4, 5, 180, 1, 1, 1}}) {
      const Buffer before = with_options(4, kTcpSyn, options);
      Buffer after = before;
      CHECK_FALSE(clamp(after, 1280));
      CHECK(after == before);
    }
    const Buffer data = with_options(4, kTcpAck, {2, 4, 5, 180});
    Buffer after = data;
    CHECK_FALSE(clamp(after, 1280));
    CHECK(after == data);
    Buffer fragment = with_options(4, kTcpSyn, {2, 4, 5, 180});
    fragment[6] = std::byte{0x20};
    const Buffer before = fragment;
    CHECK_FALSE(clamp(fragment, 1280));
    CHECK(fragment == before);
  }
}
