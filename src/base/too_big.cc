#include "base/too_big.h"

#include <algorithm>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t kIcmpHeaderBytes = 8;
constexpr std::size_t kIcmpV4PacketMax = 576;  // RFC 1812 4.3.2.3
constexpr std::uint8_t kIcmpUnreachable = 3, kIcmpNeedsFragmentation = 4;
constexpr std::uint8_t kIcmpV6TooBig = 2;
constexpr std::uint8_t kHopLimit = 64;
constexpr std::size_t kIpv4FlagsAt = 6, kIpv4ChecksumAt = 10;
constexpr std::uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000, kOffsetMask = 0x1fff;
constexpr std::size_t kFragmentUnit = 8;

void copy(Bytes from, MutableBytes to) noexcept { std::copy(from.begin(), from.end(), to.begin()); }

void finish_ipv4(MutableBytes header) noexcept {
  ByteWriter(header.subspan(kIpv4ChecksumAt)).u16_be(0);
  const auto sum = static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, header)));
  ByteWriter(header.subspan(kIpv4ChecksumAt)).u16_be(sum);
}

bool is_icmp_error(Bytes packet, const InnerPacket& inner) noexcept {
  if (packet.size() <= inner.l4_offset) return true;
  const auto type = std::to_integer<std::uint8_t>(packet[inner.l4_offset]);
  if (inner.protocol == kProtocolIcmpV6) return type < 128;
  // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
  return inner.protocol == kProtocolIcmp &&
         (type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

bool is_one_host(const IpAddress& address, std::uint8_t version) noexcept {
  if (address.is_unspecified()) return false;
  const auto first = std::to_integer<std::uint8_t>(address.bytes()[0]);
  return version == 4 ? first < 224 : first != 0xff;  // multicast, reserved and broadcast
}

std::size_t write_v4(Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                     MutableBytes out) noexcept {
  constexpr std::size_t kAround = kIpv4HeaderBytes + kIcmpHeaderBytes;
  const Bytes cause =
      packet.first(std::min<std::size_t>(inner.total_bytes, kIcmpV4PacketMax - kAround));
  const std::size_t size = kAround + cause.size();
  ByteWriter ip(out);
  ip.u8(0x45);
  ip.u8(0);
  ip.u16_be(static_cast<std::uint16_t>(size));
  ip.zeros(4);
  ip.u8(kHopLimit);
  ip.u8(kProtocolIcmp);
  ip.zeros(2);
  ip.put(inner.destination.bytes());
  ip.put(inner.source.bytes());
  finish_ipv4(out.first(kIpv4HeaderBytes));
  const MutableBytes icmp = out.first(size).subspan(kIpv4HeaderBytes);
  ByteWriter head(icmp);
  head.u8(kIcmpUnreachable);
  head.u8(kIcmpNeedsFragmentation);
  head.zeros(4);
  head.u16_be(static_cast<std::uint16_t>(mtu_bytes));
  copy(cause, icmp.subspan(kIcmpHeaderBytes));
  const auto sum = static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, icmp)));
  ByteWriter(icmp.subspan(2)).u16_be(sum);
  return size;
}

std::size_t write_v6(Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                     MutableBytes out) noexcept {
  constexpr std::size_t kAround = kIpv6HeaderBytes + kIcmpHeaderBytes;
  const Bytes cause =
      packet.first(std::min<std::size_t>(inner.total_bytes, kTooBigBytesMax - kAround));
  const std::size_t size = kAround + cause.size();
  ByteWriter ip(out);
  ip.u32_be(0x60000000);
  ip.u16_be(static_cast<std::uint16_t>(size - kIpv6HeaderBytes));
  ip.u8(kProtocolIcmpV6);
  ip.u8(kHopLimit);
  ip.put(inner.destination.bytes());
  ip.put(inner.source.bytes());
  const MutableBytes icmp = out.first(size).subspan(kIpv6HeaderBytes);
  ByteWriter head(icmp);
  head.u8(kIcmpV6TooBig);
  head.zeros(3);
  head.u32_be(static_cast<std::uint32_t>(mtu_bytes));
  copy(cause, icmp.subspan(kIcmpHeaderBytes));
  const std::uint64_t pseudo =
      checksum_pseudo(out.subspan(8, 32), kProtocolIcmpV6, static_cast<std::uint32_t>(icmp.size()));
  const auto sum = static_cast<std::uint16_t>(~checksum_fold(checksum_add(pseudo, icmp)));
  ByteWriter(icmp.subspan(2)).u16_be(sum);
  return size;
}

/// Payload of all fragments but the last.
std::size_t fragment_payload(const InnerPacket& inner, std::size_t mtu_bytes) noexcept {
  check(mtu_bytes >= 68);  // 60 of header and one unit
  return (mtu_bytes - inner.l4_offset) / kFragmentUnit * kFragmentUnit;
}

/// Options that are not to be copied become no-operations in all fragments but the first
/// (RFC 791 3.1).
void blank_options(MutableBytes options) noexcept {
  std::size_t at = 0;
  while (at < options.size()) {
    const auto kind = std::to_integer<std::uint8_t>(options[at]);
    if (kind == 0) return;
    const std::size_t bytes =
        kind == 1 || at + 1 >= options.size() ? 1 : std::to_integer<std::size_t>(options[at + 1]);
    if (bytes == 0 || at + bytes > options.size()) return;
    if ((kind & 0x80) == 0)
      std::fill_n(options.begin() + static_cast<std::ptrdiff_t>(at), bytes, std::byte{1});
    at += bytes;
  }
}

}  // namespace

std::size_t write_too_big(Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                          MutableBytes out) noexcept {
  check(out.size() >= kTooBigBytesMax);
  if (inner.fragment == InnerPacket::Fragment::Later || is_icmp_error(packet, inner)) return 0;
  if (!is_one_host(inner.source, inner.version) || !is_one_host(inner.destination, inner.version))
    return 0;
  return inner.version == 4 ? write_v4(packet, inner, mtu_bytes, out)
                            : write_v6(packet, inner, mtu_bytes, out);
}

bool may_fragment(Bytes packet, const InnerPacket& inner) noexcept {
  return inner.version == 4 &&
         (ByteReader(packet.subspan(kIpv4FlagsAt)).u16_be() & kDontFragment) == 0;
}

std::size_t fragment_count(const InnerPacket& inner, std::size_t mtu_bytes) noexcept {
  const std::size_t payload = inner.total_bytes - inner.l4_offset;
  const std::size_t each = fragment_payload(inner, mtu_bytes);
  return std::max<std::size_t>(1, (payload + each - 1) / each);
}

std::size_t write_fragment(Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                           std::size_t i, MutableBytes out) noexcept {
  const std::size_t each = fragment_payload(inner, mtu_bytes);
  const std::size_t payload = inner.total_bytes - inner.l4_offset;
  const std::size_t from = i * each;
  check(from < payload || i == 0);
  const std::size_t count = std::min(each, payload - from);
  const std::size_t size = inner.l4_offset + count;
  copy(packet.first(inner.l4_offset), out);
  copy(packet.subspan(inner.l4_offset + from, count), out.subspan(inner.l4_offset));
  ByteWriter(out.subspan(2)).u16_be(static_cast<std::uint16_t>(size));
  const std::uint16_t old = ByteReader(packet.subspan(kIpv4FlagsAt)).u16_be();
  const bool more = (old & kMoreFragments) != 0 || from + count < payload;
  const std::size_t place = (old & kOffsetMask) + from / kFragmentUnit;
  ByteWriter(out.subspan(kIpv4FlagsAt))
      .u16_be(static_cast<std::uint16_t>(place | (more ? kMoreFragments : 0)));
  if (i > 0) blank_options(out.subspan(kIpv4HeaderBytes, inner.l4_offset - kIpv4HeaderBytes));
  finish_ipv4(out.first(inner.l4_offset));
  return size;
}

}  // namespace wanbond
