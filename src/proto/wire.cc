// The layouts are drawn in the header.
#include "proto/wire.h"

#include <algorithm>

#include "base/check.h"
#include "base/sequence.h"

namespace wanbond {
namespace {

constexpr std::uint32_t kSequenceMask = (std::uint32_t{1} << kSequenceBits) - 1;
constexpr unsigned kByteBits = 8;

bool length_fits(MessageType type, std::size_t bytes) noexcept {
  switch (type) {
    case MessageType::HsInit:
      return bytes == kHsInitBytes;
    case MessageType::HsResp:
      return bytes == kHsRespBytes;
    case MessageType::HsCookie:
      return bytes == kHsCookieBytes;
    case MessageType::Data:
      return bytes >= kDataOverheadBytes && bytes <= kUdpPayloadBytesMax;
    case MessageType::Ctrl:
      return bytes >= kCtrlOverheadBytes && bytes <= kUdpPayloadBytesMax;
    case MessageType::Relay:
      break;
  }
  return false;
}

}  // namespace

std::optional<MessageType> message_type(Bytes datagram, WireError& error) noexcept {
  if (datagram.empty()) {
    error = WireError::Empty;
    return std::nullopt;
  }
  const auto type = static_cast<MessageType>(datagram.front());
  if (type < MessageType::HsInit || type > MessageType::Relay) {
    error = WireError::UnknownType;
    return std::nullopt;
  }
  if (type == MessageType::Relay) {
    error = WireError::Relay;
    return std::nullopt;
  }
  if (!length_fits(type, datagram.size())) {
    error = WireError::Length;
    return std::nullopt;
  }
  return type;
}

Cid Cid::make(std::uint32_t slot, PathId path) noexcept {
  check(slot < kSlotCountMax && path.value < kPathCountMax);
  return Cid{slot << kPathBits | path.value};
}

std::optional<Header> parse_header(Bytes datagram, WireError& error) noexcept {
  const auto type = message_type(datagram, error);
  if (!type) return std::nullopt;
  if (*type != MessageType::Data && *type != MessageType::Ctrl) {
    error = WireError::Handshake;
    return std::nullopt;
  }
  ByteReader reader(datagram);
  const std::uint32_t type_and_cid = reader.u32();
  return Header{*type, Cid{type_and_cid >> kByteBits}, reader.u32()};
}

void write_header(ByteWriter& out, const Header& header) noexcept {
  check(header.type == MessageType::Data || header.type == MessageType::Ctrl);
  out.u32(header.cid.value << kByteBits | static_cast<std::uint32_t>(header.type));
  out.u32(header.packet_number);
}

std::optional<DataBody> parse_data(Bytes plaintext) noexcept {
  ByteReader reader(plaintext);
  DataBody body;
  body.fields.stamp = reader.u16();
  body.fields.stream = reader.u16();
  const std::uint32_t sequence_and_flags = reader.u32();
  body.fields.sequence = sequence_and_flags & kSequenceMask;
  body.fields.flags = static_cast<std::uint8_t>(sequence_and_flags >> kSequenceBits);
  std::uint16_t reserved = 0;
  if (body.fields.has(kDataExtended)) {
    body.fields.wait = reader.u16();
    reserved = reader.u16();
  }
  if (!reader.ok() || reserved != 0) return std::nullopt;
  body.inner = reader.take(reader.remaining());
  if (body.inner.empty() != body.fields.has(kDataVoid)) return std::nullopt;
  return body;
}

void write_data_fields(ByteWriter& out, const DataFields& fields) noexcept {
  out.u16(fields.stamp);
  out.u16(fields.stream);
  out.u32((fields.sequence & kSequenceMask) | std::uint32_t{fields.flags} << kSequenceBits);
  if (!fields.has(kDataExtended)) return;
  out.u16(fields.wait);
  out.u16(0);
}

std::optional<CtrlBody> parse_ctrl(Bytes plaintext) noexcept {
  ByteReader reader(plaintext);
  CtrlBody body;
  body.stamp = reader.u16();
  body.frames = reader.take(reader.u16());
  if (!reader.ok()) return std::nullopt;
  return body;
}

Duration stamp_difference(std::uint16_t later, std::uint16_t earlier) noexcept {
  return stamp_distance(later, earlier) * kStampUnit;
}

std::uint16_t stamp_span(Duration span) noexcept {
  const auto units = std::clamp<std::int64_t>(span / kStampUnit, 0, 0xffff);
  return static_cast<std::uint16_t>(units);
}

}  // namespace wanbond
