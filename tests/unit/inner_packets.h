// Inner packets made by hand for the tests of base/inner and tun/offload, with an Internet checksum
// of its own (RFC 1071, word by word), so that an error in ours cannot hide.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/inner.h"
#include "tun/offload.h"

namespace wanbond::test {

using Buffer = std::vector<std::byte>;

inline unsigned be16(Bytes bytes, std::size_t at) {
  return std::to_integer<unsigned>(bytes[at]) << 8 | std::to_integer<unsigned>(bytes[at + 1]);
}

/// Not inverted: 0xffff over data whose checksum is right.
inline unsigned slow_sum(Bytes bytes, unsigned sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += std::to_integer<unsigned>(bytes[i]) << (i % 2 == 0 ? 8 : 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/// The pseudo header's sum of a packet without IP options and extension headers.
inline unsigned slow_pseudo(Bytes packet) {
  const bool v4 = (packet[0] >> 4) == std::byte{4};
  const std::size_t ip = v4 ? 20 : 40;
  const unsigned tail = static_cast<unsigned>(packet.size() - ip) + be16(packet, v4 ? 8 : 5) % 256;
  const unsigned sum = slow_sum(v4 ? packet.subspan(12, 8) : packet.subspan(8, 32)) + tail;
  return sum > 0xffff ? sum - 0xffff : sum;
}

/// True if the IPv4 header checksum and the TCP or UDP checksum are right.
inline bool checksums_hold(Bytes packet) {
  const bool v4 = (packet[0] >> 4) == std::byte{4};
  if (v4 && slow_sum(packet.first(20)) != 0xffff) return false;
  return slow_sum(packet.subspan(v4 ? 20 : 40), slow_pseudo(packet)) == 0xffff;
}

/// What a made packet holds; the payload's bytes count up from `payload_start`.
struct PacketPlan {
  unsigned version = 4;
  std::uint8_t protocol = kProtocolTcp;
  std::size_t payload_bytes = 100;
  std::uint8_t payload_start = 0;
  std::uint8_t tcp_flags = kTcpAck;
  std::uint8_t tcp_options = 0;  // bytes, a multiple of 4
  std::uint8_t traffic_class = 0;
  std::uint8_t hop_limit = 64;
  std::uint16_t id = 0x1234;
  std::uint16_t fragment = 0x4000;  // IPv4 flags and offset; DF
  std::uint16_t source_port = 40000;
  std::uint16_t window = 501;
  std::uint32_t sequence = 0xfffffff0;  // wraps soon
  std::uint32_t acknowledgement = 77;
};

/// An IP packet 10.0.0.1 (2001:db8::1) to .2 (::2), port 443, with right checksums;
/// Checksum::Partial leaves the pseudo header's sum in the L4 checksum field.
inline Buffer make_packet(const PacketPlan& plan, Checksum checksum) {
  const bool tcp = plan.protocol == kProtocolTcp;
  const std::size_t l4_bytes = (tcp ? 20u + plan.tcp_options : 8u) + plan.payload_bytes;
  const std::size_t ip_bytes = plan.version == 4 ? 20 : 40;
  Buffer packet(ip_bytes + l4_bytes);
  ByteWriter w(packet);
  if (plan.version == 4) {
    w.u8(0x45);
    w.u8(plan.traffic_class);
    w.u16_be(static_cast<std::uint16_t>(packet.size()));
    w.u16_be(plan.id);
    w.u16_be(plan.fragment);
    w.u8(plan.hop_limit);
    w.u8(plan.protocol);
    w.u16_be(0);
    w.u32_be(0x0a000001);
    w.u32_be(0x0a000002);
    ByteWriter(MutableBytes(packet).subspan(10))
        .u16_be(static_cast<std::uint16_t>(~slow_sum(Bytes(packet).first(20))));
  } else {
    w.u32_be(0x60000000u | static_cast<std::uint32_t>(plan.traffic_class) << 20 | 0x1234);
    w.u16_be(static_cast<std::uint16_t>(l4_bytes));
    w.u8(plan.protocol);
    w.u8(plan.hop_limit);
    for (const std::uint64_t low : {1u, 2u}) {
      w.u64_be(0x20010db800000000);
      w.u64_be(low);
    }
  }
  w.u16_be(plan.source_port);
  w.u16_be(443);
  if (tcp) {
    w.u32_be(plan.sequence);
    w.u32_be(plan.acknowledgement);
    w.u8(static_cast<std::uint8_t>((20 + plan.tcp_options) / 4 << 4));
    w.u8(plan.tcp_flags);
    w.u16_be(plan.window);
    w.u32_be(0);
    for (unsigned i = 0; i < plan.tcp_options; ++i) w.u8(1);  // no operation
  } else {
    w.u16_be(static_cast<std::uint16_t>(l4_bytes));
    w.u16_be(0);
  }
  for (std::size_t i = 0; i < plan.payload_bytes; ++i)
    w.u8(static_cast<std::uint8_t>(plan.payload_start + i));
  const std::size_t field = ip_bytes + (tcp ? 16 : 6);
  unsigned sum = slow_pseudo(packet);
  if (checksum == Checksum::Full) sum = 0xffff - slow_sum(Bytes(packet).subspan(ip_bytes), sum);
  if (checksum == Checksum::Full && sum == 0) sum = 0xffff;
  ByteWriter(MutableBytes(packet).subspan(field)).u16_be(static_cast<std::uint16_t>(sum));
  return packet;
}

}  // namespace wanbond::test
