// Inner packets as the applications behind the gateways make and read them: IPv4 or IPv6 with UDP
// or TCP, right checksums, RFC 791, 8200, 768, 9293.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/fixed.h"
#include "base/inner.h"

namespace wanbond::sim {

using ByteString = std::vector<std::byte>;

/// A SACK block (RFC 2018): [left, right).
struct SackBlock {
  std::uint32_t left = 0;
  std::uint32_t right = 0;
};

/// What our TCP model says in its header.
struct TcpHeader {
  std::uint32_t sequence = 0;
  std::uint32_t acknowledgement = 0;
  std::uint8_t flags = 0;
  std::uint16_t mss_bytes = 0;  // 0: no option
  FixedVector<SackBlock, 3> sacks;
  ByteString mptcp = {};  // option 30 as it is, a multiple of 4 bytes; not read
};

/// Who talks to whom.
struct Conversation {
  Endpoint from;
  Endpoint to;
  std::uint8_t traffic_class = 0;
  Conversation reversed() const { return {to, from, traffic_class}; }
};

ByteString make_udp(const Conversation& who, Bytes payload);
ByteString make_tcp(const Conversation& who, const TcpHeader& header, Bytes payload);

/// A parsed packet; `payload` points into the packet.
struct ParsedPacket {
  InnerPacket inner;
  Endpoint from;
  Endpoint to;
  TcpHeader tcp;
  Bytes payload;
};
/// None unless it is whole, UDP or TCP, and its checksums are right.
std::optional<ParsedPacket> parse_packet(Bytes packet);

/// What an ICMP "fragmentation needed" or ICMPv6 "packet too big" says.
struct TooBig {
  std::size_t mtu_bytes = 0;
  std::uint16_t source_port = 0;  // of the packet that it speaks of
};
/// None if it is none.
std::optional<TooBig> parse_too_big(Bytes packet);

}  // namespace wanbond::sim
