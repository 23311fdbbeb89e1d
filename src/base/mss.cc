#include "base/mss.h"

#include <optional>

#include "base/tcp_option.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kMaximumSegmentSize = 2;
constexpr std::size_t kMssBytes = 2;
constexpr std::size_t kTcpChecksumAt = 16;

/// Where the value of the MSS option stands, from the start of the TCP header.
std::optional<std::size_t> find_mss(Bytes tcp) noexcept {
  TcpOptionReader options(tcp);
  while (const auto option = options.next())
    if (option->kind == kMaximumSegmentSize)
      return option->value.size() == kMssBytes ? std::optional(option->at) : std::nullopt;
  return {};
}

}  // namespace

bool clamp_mss(MutableBytes packet, const InnerPacket& inner, std::size_t packet_bytes_max,
               TcpSum sum) noexcept {
  if (!inner.is_tcp() || inner.is_fragment() || (inner.tcp_flags & kTcpSyn) == 0) return false;
  const std::size_t headers =
      (inner.version == 4 ? kIpv4HeaderBytes : kIpv6HeaderBytes) + kTcpHeaderBytes;
  const MutableBytes l4 = packet.subspan(inner.l4_offset, inner.total_bytes - inner.l4_offset);
  const auto at = find_mss(l4.first(inner.l4_header_bytes));
  if (!at || packet_bytes_max <= headers) return false;
  const std::size_t mss = packet_bytes_max - headers;
  if (ByteReader(l4.subspan(*at)).u16_be() <= mss) return false;
  for (std::size_t i = 0; i < 2; ++i) {  // an option may stand at an odd place
    const auto old = std::to_integer<std::uint8_t>(l4[*at + i]);
    const auto now = static_cast<std::uint8_t>(i == 0 ? mss >> 8 : mss);
    l4[*at + i] = std::byte{now};
    if (sum == TcpSum::Full)
      adjust_checksum(l4, kTcpChecksumAt, {.at = *at + i, .from = old, .to = now});
  }
  return true;
}

}  // namespace wanbond
