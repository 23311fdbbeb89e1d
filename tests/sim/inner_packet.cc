#include "tests/sim/inner_packet.h"

#include "base/check.h"

namespace wanbond::sim {
namespace {

constexpr std::uint8_t kHopLimit = 64;
constexpr std::uint8_t kOptionMss = 2;
constexpr std::uint8_t kOptionNop = 1;
constexpr std::uint8_t kOptionSack = 5;

Bytes address_bytes(const IpAddress& address) { return address.bytes(); }

void put_ip_header(ByteWriter& writer, const Conversation& who, std::uint8_t protocol,
                   std::size_t l4_bytes) {
  if (who.to.address.is_v4()) {
    const std::size_t start = writer.size();
    writer.u8(0x45);
    writer.u8(who.traffic_class);
    writer.u16_be(static_cast<std::uint16_t>(kIpv4HeaderBytes + l4_bytes));
    writer.u16_be(0);
    writer.u16_be(0x4000);  // do not fragment: the identification may be 0 (RFC 6864)
    writer.u8(kHopLimit);
    writer.u8(protocol);
    writer.u16_be(0);
    writer.put(address_bytes(who.from.address));
    writer.put(address_bytes(who.to.address));
    const MutableBytes header = writer.written().subspan(start, kIpv4HeaderBytes);
    const auto sum = static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, header)));
    ByteWriter(header.subspan(10, 2)).u16_be(sum);
    return;
  }
  writer.u32_be(0x6000'0000U | static_cast<std::uint32_t>(who.traffic_class) << 20);
  writer.u16_be(static_cast<std::uint16_t>(l4_bytes));
  writer.u8(protocol);
  writer.u8(kHopLimit);
  writer.put(address_bytes(who.from.address));
  writer.put(address_bytes(who.to.address));
}

std::uint64_t pseudo_sum(const IpAddress& from, const IpAddress& to, std::uint8_t protocol,
                         std::size_t l4_bytes) {
  std::array<std::byte, 32> both{};
  ByteWriter writer(both);
  writer.put(address_bytes(from));
  writer.put(address_bytes(to));
  return checksum_pseudo(writer.written(), protocol, static_cast<std::uint32_t>(l4_bytes));
}

// Fills the checksum at `offset` of the layer 4 part, which has zeros there.
void finish_l4(ByteString& packet, const Conversation& who, std::uint8_t protocol,
               std::size_t offset) {
  const std::size_t ip = who.to.address.is_v4() ? kIpv4HeaderBytes : kIpv6HeaderBytes;
  const MutableBytes l4 = MutableBytes(packet).subspan(ip);
  const std::uint64_t sum =
      checksum_add(pseudo_sum(who.from.address, who.to.address, protocol, l4.size()), l4);
  auto checksum = static_cast<std::uint16_t>(~checksum_fold(sum));
  if (checksum == 0 && protocol == kProtocolUdp) checksum = 0xffff;
  ByteWriter(l4.subspan(offset, 2)).u16_be(checksum);
}

std::size_t ip_header_bytes(const Conversation& who) {
  return who.to.address.is_v4() ? kIpv4HeaderBytes : kIpv6HeaderBytes;
}

void put_options(ByteWriter& writer, const TcpHeader& header) {
  if (header.mss_bytes != 0) {
    writer.u8(kOptionMss);
    writer.u8(4);
    writer.u16_be(header.mss_bytes);
  }
  writer.put(header.mptcp);
  if (header.sacks.empty()) return;
  writer.u8(kOptionNop);
  writer.u8(kOptionNop);
  writer.u8(kOptionSack);
  writer.u8(static_cast<std::uint8_t>(2 + 8 * header.sacks.size()));
  for (const SackBlock& block : header.sacks) {
    writer.u32_be(block.left);
    writer.u32_be(block.right);
  }
}

void read_options(ByteReader reader, TcpHeader& header) {
  while (reader.ok() && reader.remaining() > 0) {
    const std::uint8_t kind = reader.u8();
    if (kind == 0) return;
    if (kind == kOptionNop) continue;
    const std::uint8_t length = reader.u8();
    if (length < 2) return;
    ByteReader value(reader.take(length - 2U));
    if (kind == kOptionMss) header.mss_bytes = value.u16_be();
    while (kind == kOptionSack && value.remaining() >= 8 && !header.sacks.full()) {
      const std::uint32_t left = value.u32_be();
      (void)header.sacks.push({left, value.u32_be()});
    }
  }
}

TcpHeader read_tcp(Bytes l4, std::size_t header_bytes) {
  ByteReader reader(l4);
  reader.skip(4);
  TcpHeader header;
  header.sequence = reader.u32_be();
  header.acknowledgement = reader.u32_be();
  reader.skip(1);
  header.flags = reader.u8();
  read_options(ByteReader(l4.first(header_bytes).subspan(kTcpHeaderBytes)), header);
  return header;
}

}  // namespace

ByteString make_udp(const Conversation& who, Bytes payload) {
  const std::size_t l4_bytes = kUdpHeaderBytes + payload.size();
  ByteString packet(ip_header_bytes(who) + l4_bytes);
  ByteWriter writer(packet);
  put_ip_header(writer, who, kProtocolUdp, l4_bytes);
  writer.u16_be(who.from.port);
  writer.u16_be(who.to.port);
  writer.u16_be(static_cast<std::uint16_t>(l4_bytes));
  writer.u16_be(0);
  writer.put(payload);
  check(writer.ok());
  finish_l4(packet, who, kProtocolUdp, 6);
  return packet;
}

ByteString make_tcp(const Conversation& who, const TcpHeader& header, Bytes payload) {
  const std::size_t options = (header.mss_bytes != 0 ? 4U : 0U) + header.mptcp.size() +
                              (header.sacks.empty() ? 0U : 4 + 8 * header.sacks.size());
  const std::size_t l4_bytes = kTcpHeaderBytes + options + payload.size();
  ByteString packet(ip_header_bytes(who) + l4_bytes);
  ByteWriter writer(packet);
  put_ip_header(writer, who, kProtocolTcp, l4_bytes);
  writer.u16_be(who.from.port);
  writer.u16_be(who.to.port);
  writer.u32_be(header.sequence);
  writer.u32_be(header.acknowledgement);
  writer.u8(static_cast<std::uint8_t>((kTcpHeaderBytes + options) / 4 << 4));
  writer.u8(header.flags);
  writer.u16_be(0xffff);
  writer.u32_be(0);  // checksum and urgent pointer
  put_options(writer, header);
  writer.put(payload);
  check(writer.ok());
  finish_l4(packet, who, kProtocolTcp, 16);
  return packet;
}

std::optional<ParsedPacket> parse_packet(Bytes packet) {
  const auto inner = parse_inner(packet);
  if (!inner || !inner->has_l4() || inner->total_bytes != packet.size()) return std::nullopt;
  const Bytes l4 = packet.subspan(inner->l4_offset);
  const std::uint64_t sum =
      checksum_add(pseudo_sum(inner->source, inner->destination, inner->protocol, l4.size()), l4);
  if (checksum_fold(sum) != 0xffff) return std::nullopt;
  ParsedPacket parsed{*inner,
                      {inner->source, inner->source_port},
                      {inner->destination, inner->destination_port},
                      {},
                      packet.subspan(inner->header_bytes())};
  if (inner->is_tcp()) parsed.tcp = read_tcp(l4, inner->l4_header_bytes);
  return parsed;
}

std::optional<TooBig> parse_too_big(Bytes packet) {
  const auto inner = parse_inner(packet);
  if (!inner) return {};
  const std::size_t at = inner->l4_offset;
  const bool v4 = inner->version == 4;
  if (inner->protocol != (v4 ? kProtocolIcmp : kProtocolIcmpV6)) return {};
  if (ByteReader(packet.subspan(at)).u16_be() != (v4 ? 0x0304 : 0x0200)) return {};
  const Bytes ports = packet.subspan(at + 8 + (v4 ? kIpv4HeaderBytes : kIpv6HeaderBytes));
  return TooBig{ByteReader(packet.subspan(at + 6)).u16_be(), ByteReader(ports).u16_be()};
}

}  // namespace wanbond::sim
