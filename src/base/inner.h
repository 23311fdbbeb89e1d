// A read-only view of an inner IP packet's headers, and the Internet checksum. Station 2 of the way
// out and the coalescer on the way in look at packets through it. RFC 791, 8200, 9293, 768, 1071.
#pragma once

#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"

namespace wanbond {

/// IP protocol numbers that the tunnel looks into.
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmpV6 = 58;

/// TCP flags as in byte 13 of the header (RFC 9293 3.1).
inline constexpr std::uint8_t kTcpFin = 0x01;
inline constexpr std::uint8_t kTcpSyn = 0x02;
inline constexpr std::uint8_t kTcpRst = 0x04;
inline constexpr std::uint8_t kTcpPsh = 0x08;
inline constexpr std::uint8_t kTcpAck = 0x10;
inline constexpr std::uint8_t kTcpUrg = 0x20;
inline constexpr std::uint8_t kTcpEce = 0x40;
inline constexpr std::uint8_t kTcpCwr = 0x80;

/// Sizes of headers without options, bytes.
inline constexpr std::size_t kIpv4HeaderBytes = 20;
inline constexpr std::size_t kIpv6HeaderBytes = 40;
inline constexpr std::size_t kTcpHeaderBytes = 20;
inline constexpr std::size_t kUdpHeaderBytes = 8;

/// What the headers of one IP packet say. Holds no pointer to the packet.
struct InnerPacket {
  enum class Fragment : std::uint8_t { None, First, Later };

  IpAddress source;
  IpAddress destination;
  std::uint32_t total_bytes = 0;  // of the IP packet, by its own header
  std::uint16_t l4_offset = 0;    // start of the payload of protocol `protocol`
  std::uint16_t source_port = 0;  // both only if has_ports()
  std::uint16_t destination_port = 0;
  std::uint32_t fragment_id = 0;   // only of a fragment: what its parts have in common
  std::uint8_t version = 0;        // 4 or 6
  std::uint8_t protocol = 0;       // behind IPv6 extension headers, as far as they could be walked
  std::uint8_t traffic_class = 0;  // the whole byte: DSCP and ECN
  std::uint8_t tcp_flags = 0;
  std::uint8_t l4_header_bytes = 0;  // TCP with its options, or UDP; 0 if not complete and sane
  Fragment fragment = Fragment::None;

  std::uint8_t dscp() const noexcept { return static_cast<std::uint8_t>(traffic_class >> 2); }
  std::uint8_t ecn() const noexcept { return traffic_class & 3; }
  bool is_fragment() const noexcept { return fragment != Fragment::None; }
  bool is_tcp() const noexcept { return has_l4() && protocol == kProtocolTcp; }
  bool is_udp() const noexcept { return has_l4() && protocol == kProtocolUdp; }
  /// True if a whole TCP or UDP header stands at l4_offset: ports, flags and l4_header_bytes count.
  /// False for later fragments, other protocols and cut headers.
  bool has_l4() const noexcept { return l4_header_bytes != 0; }
  /// True also for what goes with a flow without having its header: see FlowNames.
  bool has_ports() const noexcept { return has_l4() || (source_port | destination_port) != 0; }
  bool goes_with_tcp() const noexcept { return has_ports() && protocol == kProtocolTcp; }
  bool goes_with_udp() const noexcept { return has_ports() && protocol == kProtocolUdp; }
  std::size_t header_bytes() const noexcept { return std::size_t{l4_offset} + l4_header_bytes; }
  /// Bytes behind all headers; everything behind the IP headers if !has_l4().
  std::size_t payload_bytes() const noexcept { return total_bytes - header_bytes(); }
};

/// Reads the headers of the IP packet at the start of `bytes`; bytes behind its total length are
/// ignored. None if it is not IPv4 or IPv6, is shorter than its header says, or its IP header is
/// malformed or holds v4-mapped IPv6 addresses. Checksums are not looked at. A cut TCP or UDP
/// header, or IPv6 extension headers that are cut or more than eight, do not make it fail: then
/// has_l4() is false and `protocol` names what stands at l4_offset.
std::optional<InnerPacket> parse_inner(Bytes bytes) noexcept;
/// The same where the view is to stand; it is new. What is there after a false means nothing.
bool parse_inner(Bytes bytes, InnerPacket& inner) noexcept;

/// The flow that an ICMP error goes with (RFC 792, types 3, 11, 12; RFC 4443, types 1 to 4):
/// `inner`, the view of `packet`, under the addresses, protocol and ports of the quoted packet,
/// reversed, since the error goes to its sender. It has no L4 header; ports as far as the quotation
/// has them. None if it is no such error, is a fragment, or quotes a later fragment, a packet of
/// somebody else, or less than an IP header.
std::optional<InnerPacket> icmp_error_flow(Bytes packet, const InnerPacket& inner) noexcept;

/// Adds `bytes` to a running one's complement sum (RFC 1071), which starts at 0. Only the last
/// span of a sum may have an odd length. The sum is in memory order: only checksum_fold reads it.
std::uint64_t checksum_add(std::uint64_t sum, Bytes bytes) noexcept;
/// The sum as a 16-bit number, not inverted: what a checksum field holds while it is partial. The
/// finished checksum is its complement.
std::uint16_t checksum_fold(std::uint64_t sum) noexcept;
/// One byte of what a checksum covers: its place from where the sum starts, its old and new value.
struct ByteChange {
  std::size_t at = 0;
  std::uint8_t from = 0;
  std::uint8_t to = 0;
};
/// Keeps the finished checksum in the two bytes from `field` on right after a change of one byte of
/// `covered`, which it stands in (RFC 1624).
void adjust_checksum(MutableBytes covered, std::size_t field, const ByteChange& change) noexcept;
/// Sum of a TCP or UDP pseudo header (RFC 9293 3.1, RFC 8200 8.1). `addresses` is source and
/// destination as they stand in the IP header (8 or 32 bytes), `l4_bytes` the length of TCP or UDP
/// header and payload.
std::uint64_t checksum_pseudo(Bytes addresses, std::uint8_t protocol,
                              std::uint32_t l4_bytes) noexcept;
/// Source and destination as they stand in the header of `packet`, whose view is `inner`.
Bytes inner_addresses(Bytes packet, const InnerPacket& inner) noexcept;

}  // namespace wanbond
