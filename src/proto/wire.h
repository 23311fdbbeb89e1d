// Headers of the datagrams that cross a WAN: message types, connection ids, the clear header of
// DATA and CTRL, and the first encrypted bytes behind it. Station 2 of the inbound way; the source
// is wanbond-protocol(7), which shows the same pictures. Integers are little-endian.
//
// Nothing read here before the tag was good may change any state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "proto/limits.h"

namespace wanbond {

/// First byte of a datagram. The values lie in QUIC's share of RFC 9443, away from STUN, DTLS,
/// TURN channels and RTP. 0x76 is set aside for relays: version 1 drops it.
enum class MessageType : std::uint8_t {
  HsInit = 0x71,
  HsResp = 0x72,
  HsCookie = 0x73,
  Data = 0x74,
  Ctrl = 0x75,
  Relay = 0x76,
};

/// Why a datagram was refused by its first bytes and its length alone.
enum class WireError : std::uint8_t {
  Empty,        ///< no byte at all
  UnknownType,  ///< first byte outside 0x71 to 0x76
  Relay,        ///< 0x76, not in version 1
  Length,       ///< impossible for its type
  Handshake,    ///< parse_header() was given a handshake message
};

/// Type of a datagram whose length is possible for it (HS_*: exact; DATA, CTRL: not below their
/// overhead, not above kUdpPayloadBytesMax). None, with `error` set, for all others.
std::optional<MessageType> message_type(Bytes datagram, WireError& error) noexcept;

/// Connection id, chosen by the receiver: slot << 6 | path. 24 bits.
struct Cid {
  std::uint32_t value = 0;

  /// `slot` below kSlotCountMax, `path` below kPathCountMax; else aborts.
  static Cid make(std::uint32_t slot, PathId path) noexcept;
  /// Index in the receiver's array of key epochs.
  constexpr std::uint32_t slot() const noexcept { return value >> kPathBits; }
  constexpr PathId path() const noexcept {
    return PathId{static_cast<std::uint8_t>(value & (kPathCountMax - 1))};
  }
  /// The id with path 0, as the handshake announces it.
  constexpr Cid base() const noexcept {
    return Cid{value & ~(static_cast<std::uint32_t>(kPathCountMax) - 1)};
  }
  /// The id of `path` beside this one.
  Cid with_path(PathId path) const noexcept { return make(slot(), path); }

  friend constexpr auto operator<=>(const Cid&, const Cid&) = default;
};

/// Clear header of DATA and CTRL; the AEAD's associated data.
///
///     0        1                    4                    8
///     +--------+--------------------+--------------------+
///     | type   | cid (24 bits)      | packet number      |
///     +--------+--------------------+--------------------+
struct Header {
  MessageType type = MessageType::Data;
  Cid cid;
  /// Counter of this path under this key; low half of the nonce.
  std::uint32_t packet_number = 0;
};

/// Header of a DATA or CTRL datagram of possible length. None, with `error` set, for all others.
std::optional<Header> parse_header(Bytes datagram, WireError& error) noexcept;
/// Writes kClearHeaderBytes. `type` is Data or Ctrl; else aborts.
void write_header(ByteWriter& out, const Header& header) noexcept;

/// Flags of DATA.
inline constexpr std::uint8_t kDataOrdered = 0x01;     ///< put this stream back in order
inline constexpr std::uint8_t kDataCopy = 0x02;        ///< a duplicate or repair of (stream, seq)
inline constexpr std::uint8_t kDataFirst = 0x04;       ///< seq is the next expected
inline constexpr std::uint8_t kDataExtended = 0x08;    ///< the 4-byte extension follows
inline constexpr std::uint8_t kDataBacklogged = 0x10;  ///< the path's gate was the limit
inline constexpr std::uint8_t kDataTrain = 0x20;       ///< part of a capacity probe
inline constexpr std::uint8_t kDataVoid = 0x40;        ///< no packet: do not wait for this seq
inline constexpr std::uint8_t kDataPartialSum = 0x80;  ///< inner L4 checksum is not filled in

/// First encrypted bytes of DATA. The extension is there exactly if kDataExtended is set.
///
///     0            2            4                    7       8            10           12
///     +------------+------------+--------------------+-------+============+============+
///     | ts         | stream     | seq (24 bits)      | flags | wait       | 0          |
///     +------------+------------+--------------------+-------+============+============+
struct DataFields {
  std::uint16_t stamp = 0;     ///< wire_stamp() at sending
  std::uint16_t stream = 0;    ///< sender's flow; 0 = unordered
  std::uint32_t sequence = 0;  ///< order within the stream, 24 bits; higher bits are not written
  std::uint8_t flags = 0;
  std::uint16_t wait = 0;  ///< time in the bond queue in kWaitUnit; only with kDataExtended

  constexpr bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
  /// Bytes that write_data_fields() writes: 8 or 12.
  constexpr std::size_t bytes() const noexcept {
    return kDataFieldsBytes + (has(kDataExtended) ? kDataExtensionBytes : 0);
  }
};

/// A decrypted DATA.
struct DataBody {
  DataFields fields;
  Bytes inner;  ///< an IP packet, not yet looked at; empty exactly if kDataVoid is set
};

/// Splits decrypted DATA. None when it is cut short, the extension's zero is not zero, or Void and
/// an inner packet do not exclude each other.
std::optional<DataBody> parse_data(Bytes plaintext) noexcept;
void write_data_fields(ByteWriter& out, const DataFields& fields) noexcept;

/// A decrypted CTRL.
///
///     0            2            4
///     +------------+------------+-----------------+------------------+
///     | ts         | flen       | flen of frames  | zeros (probes)   |
///     +------------+------------+-----------------+------------------+
struct CtrlBody {
  std::uint16_t stamp = 0;  ///< wire_stamp() at sending
  Bytes frames;             ///< for FrameReader
};

/// Splits decrypted CTRL. None when flen points past its end. Padding is not read.
std::optional<CtrlBody> parse_ctrl(Bytes plaintext) noexcept;

/// Wire stamp of a time: its nanoseconds >> 15, low 16 bits. `now` not before the clock's zero.
constexpr std::uint16_t wire_stamp(Time now) noexcept {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>(now.time_since_epoch().count()) >>
                                    kStampShift);
}
/// Signed `later - earlier` of two stamps, right while it is within 1.07 s either way. Stamps of
/// two nodes differ by an unknown constant, which cancels out between such differences.
Duration stamp_difference(std::uint16_t later, std::uint16_t earlier) noexcept;
/// A span in stamp units, rounded down, at most 0xffff (2.147 s); negative spans give 0.
std::uint16_t stamp_span(Duration span) noexcept;

}  // namespace wanbond
