#include "base/inner.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuthentication = 51,
                       kDestination = 60, kMobility = 135;
constexpr unsigned kExtensionHeadersMax = 8;  // more than any sane sender makes; bounds the walk
constexpr std::size_t kFragmentHeaderBytes = 8;
constexpr std::size_t kIcmpHeaderBytes = 8;  // of errors, before what they quote
constexpr std::size_t kPortsBytes = 4;       // of TCP and UDP

std::uint8_t u8_at(Bytes bytes, std::size_t offset) noexcept {
  return std::to_integer<std::uint8_t>(bytes[offset]);
}

std::uint16_t u16_at(Bytes bytes, std::size_t offset) noexcept {
  return static_cast<std::uint16_t>(u8_at(bytes, offset) << 8 | u8_at(bytes, offset + 1));
}

InnerPacket::Fragment fragment_of(std::size_t offset, bool more) noexcept {
  if (offset != 0) return InnerPacket::Fragment::Later;
  return more ? InnerPacket::Fragment::First : InnerPacket::Fragment::None;
}

/// Whether a packet is there up to its end, or may be quoted by its beginning alone.
enum class Extent : std::uint8_t { Whole, Beginning };

bool parse_ipv4(Bytes bytes, Extent extent, InnerPacket& inner) noexcept {
  if (bytes.size() < kIpv4HeaderBytes) return false;
  const std::size_t header_bytes = std::size_t{4} * (u8_at(bytes, 0) & 15);
  inner.total_bytes = u16_at(bytes, 2);
  if (header_bytes < kIpv4HeaderBytes || inner.total_bytes < header_bytes) return false;
  if (bytes.size() < (extent == Extent::Whole ? inner.total_bytes : header_bytes)) return false;
  const std::uint16_t fragment = u16_at(bytes, 6);
  inner.fragment = fragment_of(fragment & 0x1fff, (fragment & 0x2000) != 0);
  if (inner.is_fragment()) inner.fragment_id = u16_at(bytes, 4);
  inner.traffic_class = u8_at(bytes, 1);
  inner.protocol = u8_at(bytes, 9);
  inner.source = IpAddress::from_bytes(bytes.subspan(12, 4));
  inner.destination = IpAddress::from_bytes(bytes.subspan(16, 4));
  inner.l4_offset = static_cast<std::uint16_t>(header_bytes);
  return true;
}

// Length of the extension header of type `type` at the start of `rest` (RFC 8200 4, RFC 4302 2.2);
// 0 if it is another protocol or cut.
std::size_t extension_bytes(std::uint8_t type, Bytes rest) noexcept {
  if (rest.size() < 8) return 0;  // every extension header has at least 8 bytes
  const std::size_t length = u8_at(rest, 1);
  std::size_t bytes = 0;
  if (type == kHopByHop || type == kRouting || type == kDestination || type == kMobility)
    bytes = 8 * length + 8;
  if (type == kFragment) bytes = kFragmentHeaderBytes;
  if (type == kAuthentication) bytes = 4 * length + 8;
  return bytes <= rest.size() ? bytes : 0;
}

// Moves l4_offset and protocol behind the extension headers of `packet`.
void walk_extensions(Bytes packet, InnerPacket& inner) noexcept {
  for (unsigned i = 0; i < kExtensionHeadersMax; ++i) {
    if (inner.fragment == InnerPacket::Fragment::Later) return;
    const Bytes rest = packet.subspan(inner.l4_offset);
    const std::size_t bytes = extension_bytes(inner.protocol, rest);
    if (bytes == 0) return;
    if (inner.protocol == kFragment) {
      const std::uint16_t place = u16_at(rest, 2);
      inner.fragment = fragment_of(place >> 3, (place & 1) != 0);
      if (inner.is_fragment())
        inner.fragment_id = std::uint32_t{u16_at(rest, 4)} << 16 | u16_at(rest, 6);
    }
    inner.protocol = u8_at(rest, 0);
    inner.l4_offset = static_cast<std::uint16_t>(inner.l4_offset + bytes);
  }
}

bool parse_ipv6(Bytes bytes, Extent extent, InnerPacket& inner) noexcept {
  if (bytes.size() < kIpv6HeaderBytes) return false;
  inner.total_bytes = static_cast<std::uint32_t>(kIpv6HeaderBytes) + u16_at(bytes, 4);
  if (extent == Extent::Whole && bytes.size() < inner.total_bytes) return false;
  inner.traffic_class = static_cast<std::uint8_t>(u16_at(bytes, 0) >> 4);
  inner.protocol = u8_at(bytes, 6);
  inner.source = IpAddress::from_bytes(bytes.subspan(8, 16));
  inner.destination = IpAddress::from_bytes(bytes.subspan(24, 16));
  // On the wire these have no meaning (RFC 4291 2.5.5.2), and here they would pass for IPv4.
  if (inner.source.is_v4() || inner.destination.is_v4()) return false;
  inner.l4_offset = static_cast<std::uint16_t>(kIpv6HeaderBytes);
  walk_extensions(bytes.first(std::min<std::size_t>(inner.total_bytes, bytes.size())), inner);
  return true;
}

void parse_l4(Bytes packet, InnerPacket& inner) noexcept {
  if (inner.fragment == InnerPacket::Fragment::Later) return;
  const Bytes l4 = packet.subspan(inner.l4_offset);
  std::size_t header_bytes = 0;
  if (inner.protocol == kProtocolUdp && l4.size() >= kUdpHeaderBytes)
    header_bytes = kUdpHeaderBytes;
  if (inner.protocol == kProtocolTcp && l4.size() >= kTcpHeaderBytes) {
    header_bytes = std::size_t{4} * (u8_at(l4, 12) >> 4);
    if (header_bytes < kTcpHeaderBytes || header_bytes > l4.size()) return;
    inner.tcp_flags = u8_at(l4, 13);
  }
  if (header_bytes == 0) return;
  inner.l4_header_bytes = static_cast<std::uint8_t>(header_bytes);
  inner.source_port = u16_at(l4, 0);
  inner.destination_port = u16_at(l4, 2);
}

bool parse_ip(Bytes bytes, Extent extent, InnerPacket& inner) noexcept {
  if (bytes.empty()) return false;
  inner.version = static_cast<std::uint8_t>(u8_at(bytes, 0) >> 4);
  if (inner.version == 4) return parse_ipv4(bytes, extent, inner);
  return inner.version == 6 && parse_ipv6(bytes, extent, inner);
}

bool is_icmp_error(std::uint8_t version, std::uint8_t protocol, std::uint8_t type) noexcept {
  // Destination unreachable, time exceeded, parameter problem; of IPv6 also packet too big.
  if (version == 4) return protocol == kProtocolIcmp && (type == 3 || type == 11 || type == 12);
  return protocol == kProtocolIcmpV6 && type >= 1 && type <= 4;
}

}  // namespace

bool parse_inner(Bytes bytes, InnerPacket& inner) noexcept {
  if (!parse_ip(bytes, Extent::Whole, inner)) return false;
  parse_l4(bytes.first(inner.total_bytes), inner);
  return true;
}

std::optional<InnerPacket> parse_inner(Bytes bytes) noexcept {
  std::optional<InnerPacket> inner(std::in_place);
  if (!parse_inner(bytes, *inner)) inner.reset();
  return inner;
}

std::optional<InnerPacket> icmp_error_flow(Bytes packet, const InnerPacket& inner) noexcept {
  const Bytes icmp = packet.first(inner.total_bytes).subspan(inner.l4_offset);
  if (inner.is_fragment() || icmp.size() < kIcmpHeaderBytes ||
      !is_icmp_error(inner.version, inner.protocol, u8_at(icmp, 0)))
    return {};
  const Bytes quotation = icmp.subspan(kIcmpHeaderBytes);
  InnerPacket quoted;
  if (!parse_ip(quotation, Extent::Beginning, quoted) || quoted.version != inner.version ||
      quoted.fragment == InnerPacket::Fragment::Later || quoted.source != inner.destination)
    return {};
  InnerPacket flow = inner;
  flow.source = quoted.destination;
  flow.destination = quoted.source;
  flow.protocol = quoted.protocol;
  const bool is_ported = quoted.protocol == kProtocolTcp || quoted.protocol == kProtocolUdp;
  const Bytes l4 = quotation.subspan(quoted.l4_offset);
  if (is_ported && l4.size() >= kPortsBytes) {
    flow.source_port = u16_at(l4, 2);
    flow.destination_port = u16_at(l4, 0);
  }
  return flow;
}

std::uint64_t checksum_add(std::uint64_t sum, Bytes bytes) noexcept {
  // 2^16 = 1 modulo 0xffff, so 64-bit words may be added as they are if the carry comes back.
  while (bytes.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, bytes.data(), sizeof(word));
    sum += word;
    sum += sum < word ? 1 : 0;
    bytes = bytes.subspan(sizeof(word));
  }
  std::uint64_t rest = 0;  // an odd last byte is followed by a zero (RFC 1071 1)
  if (!bytes.empty()) std::memcpy(&rest, bytes.data(), bytes.size());
  sum += rest;
  return sum + (sum < rest ? 1 : 0);
}

std::uint16_t checksum_fold(std::uint64_t sum) noexcept {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  if constexpr (std::endian::native == std::endian::little)
    sum = (sum << 8 & 0xff00) | (sum >> 8 & 0xff);
  return static_cast<std::uint16_t>(sum);
}

void adjust_checksum(MutableBytes covered, std::size_t field, const ByteChange& change) noexcept {
  const unsigned shift = change.at % 2 == 0 ? 8 : 0;
  // HC' = ~(~HC + ~m + m') (RFC 1624 3), with the other byte of the word as zero in both.
  std::uint32_t sum = 0xffffU ^ u16_at(covered, field);
  sum += 0xffffU ^ static_cast<std::uint32_t>(change.from << shift);
  sum += static_cast<std::uint32_t>(change.to << shift);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  ByteWriter(covered.subspan(field)).u16_be(static_cast<std::uint16_t>(~sum));
}

std::uint64_t checksum_pseudo(Bytes addresses, std::uint8_t protocol,
                              std::uint32_t l4_bytes) noexcept {
  // Both families' pseudo headers sum up alike: the length's upper half is zero for IPv4.
  std::array<std::byte, 8> tail;
  ByteWriter writer(tail);
  writer.u32_be(l4_bytes);
  writer.u32_be(protocol);
  return checksum_add(checksum_add(0, addresses), tail);
}

Bytes inner_addresses(Bytes packet, const InnerPacket& inner) noexcept {
  check(inner.version == 4 || inner.version == 6);
  return inner.version == 4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
}

}  // namespace wanbond
