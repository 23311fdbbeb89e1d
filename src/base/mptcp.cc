#include "base/mptcp.h"

#include <algorithm>

#include "base/tcp_option.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kOptionKind = 30;
constexpr std::uint8_t kLastSubtype = static_cast<std::uint8_t>(MptcpSubtype::Reset);
constexpr std::uint8_t kFlagBackup = 1;  // of MP_JOIN and MP_PRIO
constexpr std::uint8_t kFlagEcho = 1;    // of ADD_ADDR
constexpr std::size_t kAddressHmacBytes = 8;

// Whole lengths of the option, with kind and length (RFC 8684 3.1, 3.2, 3.4.1).
constexpr std::size_t kCapableSyn = 4, kCapableOneKey = 12, kCapableTwoKeys = 20;
constexpr std::size_t kCapableData = 22, kCapableDataChecksum = 24;
constexpr std::size_t kJoinSyn = 12, kJoinSynAck = 16, kJoinAck = 24;

// DSS flags (3.3): sizes of the fields in front of the mapping's length.
constexpr std::uint8_t kDssAck = 0x01, kDssAck64 = 0x02, kDssMap = 0x04, kDssMap64 = 0x08;

/// The value of an option behind its subtype: the low half of the first byte, and the rest.
struct Body {
  std::uint8_t low = 0;
  ByteReader reader;
  std::size_t option_bytes = 0;  // of the whole option
};

MptcpKey read_key(ByteReader& reader) noexcept {
  MptcpKey key{};
  const Bytes bytes = reader.take(key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

std::optional<MptcpCapable> read_capable(Body body) noexcept {
  MptcpCapable capable{.version = body.low, .sender = {}, .receiver = {}};
  body.reader.skip(1);  // flags
  switch (body.option_bytes) {
    case kCapableSyn:
      return capable;
    case kCapableOneKey:
      capable.sender = read_key(body.reader);
      return capable;
    case kCapableTwoKeys:
    case kCapableData:
    case kCapableDataChecksum:
      capable.sender = read_key(body.reader);
      capable.receiver = read_key(body.reader);
      return capable;
    default:
      return {};
  }
}

std::optional<MptcpJoin> read_join(Body body, std::uint8_t tcp_flags) noexcept {
  const bool syn = (tcp_flags & kTcpSyn) != 0;
  const bool ack = (tcp_flags & kTcpAck) != 0;
  const std::size_t expected = !syn ? kJoinAck : ack ? kJoinSynAck : kJoinSyn;
  if (body.option_bytes != expected) return {};
  MptcpJoin join{.is_backup = syn && (body.low & kFlagBackup) != 0};
  join.address_id = body.reader.u8();
  if (syn && !ack) join.token = body.reader.u32_be();
  if (syn && ack) {
    const Bytes hmac = body.reader.take(8);
    std::copy(hmac.begin(), hmac.end(), join.hmac.begin());
  }
  if (syn) {
    join.nonce = body.reader.u32_be();
  } else {
    const Bytes hmac = body.reader.take(join.hmac.size());
    std::copy(hmac.begin(), hmac.end(), join.hmac.begin());
  }
  return join;
}

std::optional<MptcpAddress> read_address(Body body) noexcept {
  MptcpAddress address{.id = body.reader.u8(), .endpoint = {}};
  std::size_t bytes = body.reader.remaining();
  // Version 0 has the IP version in place of the flags, and no HMAC (RFC 6824 3.4.1).
  const bool is_version_0 = body.low == 4 || body.low == 6;
  if ((body.low & kFlagEcho) == 0 && !is_version_0) {
    if (bytes < kAddressHmacBytes) return {};
    bytes -= kAddressHmacBytes;
  }
  const std::size_t ip_bytes = bytes == 4 || bytes == 6 ? 4 : bytes == 16 || bytes == 18 ? 16 : 0;
  if (ip_bytes == 0) return {};
  address.endpoint.address = IpAddress::from_bytes(body.reader.take(ip_bytes));
  if (bytes > ip_bytes) address.endpoint.port = body.reader.u16_be();
  return address;
}

/// None: malformed; true: an infinite mapping.
std::optional<bool> read_dss(Body body) noexcept {
  const std::uint8_t flags = body.reader.u8();
  if ((flags & kDssAck) != 0) body.reader.skip((flags & kDssAck64) != 0 ? 8 : 4);
  if ((flags & kDssMap) == 0) return body.reader.ok() ? std::optional(false) : std::nullopt;
  body.reader.skip((flags & kDssMap64) != 0 ? 8 : 4);
  body.reader.skip(4);  // subflow sequence number
  const std::uint16_t length = body.reader.u16_be();
  return body.reader.ok() ? std::optional(length == 0) : std::nullopt;
}

bool note(MptcpOptions& all, MptcpSubtype subtype, Body body, std::uint8_t tcp_flags) noexcept {
  switch (subtype) {
    case MptcpSubtype::Capable:
      all.capable = read_capable(body);
      return all.capable.has_value();
    case MptcpSubtype::Join:
      all.join = read_join(body, tcp_flags);
      return all.join.has_value();
    case MptcpSubtype::Dss: {
      const auto infinite = read_dss(body);
      all.is_infinite = all.is_infinite || infinite.value_or(false);
      return infinite.has_value();
    }
    case MptcpSubtype::AddAddress: {
      const auto address = read_address(body);
      if (address && (body.low & kFlagEcho) == 0) all.address = address;
      return address.has_value();
    }
    case MptcpSubtype::Priority:
      all.is_backup = (body.low & kFlagBackup) != 0;
      return true;
    case MptcpSubtype::RemoveAddress:
    case MptcpSubtype::Fail:
    case MptcpSubtype::FastClose:
    case MptcpSubtype::Reset:
      return true;
  }
  return false;
}

TcpOptionReader options_of(Bytes packet, const InnerPacket& inner) noexcept {
  return TcpOptionReader(packet.subspan(inner.l4_offset, inner.l4_header_bytes));
}

}  // namespace

MptcpOptions parse_mptcp(Bytes packet, const InnerPacket& inner) noexcept {
  MptcpOptions all;
  if (!inner.is_tcp()) return all;
  TcpOptionReader options = options_of(packet, inner);
  while (const auto option = options.next()) {
    if (option->kind != kOptionKind || option->value.empty()) continue;
    const auto first = std::to_integer<std::uint8_t>(option->value[0]);
    const auto subtype = static_cast<std::uint8_t>(first >> 4);
    if (subtype > kLastSubtype) continue;
    const Body body{.low = static_cast<std::uint8_t>(first & 0x0f),
                    .reader = ByteReader(option->value.subspan(1)),
                    .option_bytes = option->value.size() + 2};
    if (note(all, MptcpSubtype{subtype}, body, inner.tcp_flags))
      all.subtypes = static_cast<std::uint16_t>(all.subtypes | 1U << subtype);
  }
  return all;
}

bool has_mptcp(Bytes packet, const InnerPacket& inner) noexcept {
  if (!inner.is_tcp()) return false;
  TcpOptionReader options = options_of(packet, inner);
  while (const auto option = options.next())
    if (option->kind == kOptionKind) return true;
  return false;
}

}  // namespace wanbond
