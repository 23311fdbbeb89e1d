// Control frames: what CTRL carries, each u8 type, u8 length, value. A packet is checked whole
// before any of its frames is acted on: FrameReader exists only for frames that are all right.
// Station 6 of the inbound way; the source is wanbond-protocol(7). Integers are little-endian.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "base/address.h"
#include "base/bytes.h"
#include "base/fixed.h"
#include "base/ids.h"
#include "base/sequence.h"
#include "proto/bfd.h"
#include "proto/limits.h"

namespace wanbond {

/// First byte of a frame. 16 to 19 are set aside for relays: version 1 skips them as unknown.
enum class FrameType : std::uint8_t {
  Confirm = 1,
  PathChallenge = 2,
  PathResponse = 3,
  PathStatus = 4,
  PathAbandon = 5,
  Bfd = 6,
  Feedback = 7,
  PmtuProbe = 8,
  PmtuAck = 9,
  Addr = 10,
  Close = 11,
  Ack = 12,
  PathName = 13,
  LanMap = 14,
};

/// First packet under a new key, on every up path. No value.
struct ConfirmFrame {
  friend bool operator==(const ConfirmFrame&, const ConfirmFrame&) = default;
};

/// Proves that an address pair works; the answer carries `token` back.
///
///     0                    8      9       10     12                16
///     | token (random u64) | prio | flags | 0    | rate hint u32   |
struct PathChallengeFrame {
  std::uint64_t token = 0;
  std::uint8_t priority = 0;         ///< 0 best
  bool backup = false;               ///< flag 1: only when no other path is usable
  bool metered = false;              ///< flag 2: paid by volume
  std::uint32_t rate_hint_kbps = 0;  ///< what this side can receive here, kbit/s; 0 unknown
  friend bool operator==(const PathChallengeFrame&, const PathChallengeFrame&) = default;
};

/// Answer to a challenge, on the path and to the address that was challenged.
///
///     0           8        9   10        12                           28
///     | token     | family | 0 | port BE | address, v4-mapped         |
struct PathResponseFrame {
  std::uint64_t token = 0;
  Endpoint seen;  ///< source of the challenge as the answerer saw it; family is 4 or 6
  friend bool operator==(const PathResponseFrame&, const PathResponseFrame&) = default;
};

/// A path as its sender sees it. The numbers are the wire's.
enum class WirePathState : std::uint8_t {
  Validating = 1,
  Up = 2,
  Suspect = 3,
  Down = 4,
  Drained = 5,  ///< works, but is to carry data only while nothing else does
};

/// Why. Unknown numbers are kept and mean nothing more than "for a reason".
enum class PathReason : std::uint16_t {
  None = 0,
  Silence = 1,    ///< detection time passed
  Interface = 2,  ///< device or address of the WAN is gone
  Admin = 3,      ///< by hand
  Config = 4,     ///< no longer configured
  Duplicate = 5,  ///< a lower path id serves the same address pair
  TooSmall = 6,   ///< cannot carry the smallest tunnel packet
  Quality = 7,    ///< loss or delay beyond the suspect bounds
};

/// State of a path; travels on any path, is acknowledged, the newest `sequence` wins.
///
///     0      1       2       4      5        6        8
///     | path | state | seq   | prio | weight | reason |
struct PathStatusFrame {
  PathId path;
  WirePathState state = WirePathState::Up;
  std::uint16_t sequence = 0;
  std::uint8_t priority = 0;
  std::uint8_t weight = 0;
  PathReason reason = PathReason::None;
  friend bool operator==(const PathStatusFrame&, const PathStatusFrame&) = default;
};

/// End of a path; the other side answers in kind. Acknowledged.
///
///     0      1        2       4
///     | path | reason | seq   |
struct PathAbandonFrame {
  PathId path;
  PathReason reason = PathReason::None;  ///< below 256
  std::uint16_t sequence = 0;
  friend bool operator==(const PathAbandonFrame&, const PathAbandonFrame&) = default;
};

/// A BFD control packet for the path it comes on; to be read by parse_bfd(), whose discard rules
/// concern this frame alone.
struct BfdFrame {
  std::array<std::byte, kBfdControlBytes> packet{};
  static BfdFrame make(const BfdControl& control) noexcept;
  friend bool operator==(const BfdFrame&, const BfdFrame&) = default;
};

/// What arrived on a path. Counters go on from the start of the key epoch and wrap. Blocks follow
/// the base part, each u8 type, u8 length, value, as in frames; unknown ones are skipped, so that
/// new ones break nothing.
///
///     0      1       2         4      6         8            12        16      20   22     24
///     | path | flags | ts echo | held | arrived | largest pn | packets | bytes | CE | late | ...
///
/// Block 1, RANGES, acknowledges: `count` numbers up to the largest, then, downwards, runs of
/// `missing` numbers and of `count` received ones; all are at least 1 and stay above -1.
///
///     0       2         4       6         8
///     | count | missing | count | missing | ...
///
/// Blocks 2, SLOTS, and 3, TRAIN: see feedback_block.h.
struct FeedbackFrame {
  PathId path;                   ///< the reported path; the frame may travel on another
  std::uint8_t flags = 0;        ///< sent as 0, not read
  std::uint16_t stamp_echo = 0;  ///< ts of the newest packet received
  std::uint16_t held = 0;        ///< from its arrival to this report, stamp units, at most 0xffff
  std::uint16_t arrived = 0;     ///< its arrival, receiver's wire_stamp()
  std::uint32_t largest_packet_number = 0;
  std::uint32_t packet_count = 0;  ///< DATA and CTRL that authenticated and were not replays
  std::uint32_t byte_count = 0;    ///< their UDP payload
  std::uint16_t ce_count = 0;      ///< of them, with outer ECN CE
  std::uint16_t late_count =
      0;         ///< of them, below the largest number, or duplicates of inner packets
  Bytes blocks;  ///< well-formed; a view of the parsed packet

  friend bool operator==(const FeedbackFrame&, const FeedbackFrame&) noexcept;
};

/// The runs of a RANGES block, newest first.
using AckRanges = FixedVector<NumberRange, kAckRangeCountMax>;
/// What `feedback`, as parsed, acknowledges; empty without a RANGES block.
AckRanges acknowledged(const FeedbackFrame& feedback) noexcept;
/// Writes a RANGES block of `received`, newest first, the first run ending with the largest number
/// of the report. What cannot be said (a run or a gap above 65535) ends it early.
void write_ack_ranges(ByteWriter& out, std::span<const NumberRange> received) noexcept;

/// A padded CTRL that asks whether a UDP payload of this size arrives, and the answer.
///
///     0     2       4
///     | id  | size  |
struct PmtuProbeFrame {
  std::uint16_t id = 0;
  std::uint16_t payload_bytes = 0;
  friend bool operator==(const PmtuProbeFrame&, const PmtuProbeFrame&) = default;
};
struct PmtuAckFrame {
  std::uint16_t id = 0;
  std::uint16_t payload_bytes = 0;
  friend bool operator==(const PmtuAckFrame&, const PmtuAckFrame&) = default;
};

/// What an address offer does.
enum class AddrAction : std::uint8_t { Add = 1, Remove = 2 };

/// Offer of a further local address. Acknowledged.
///
///     0     2    3       4         6                     22
///     | seq | id | flags | port BE | address, v4-mapped  |
struct AddrFrame {
  std::uint16_t sequence = 0;
  std::uint8_t address_id = 0;
  AddrAction action = AddrAction::Add;
  Endpoint endpoint;
  friend bool operator==(const AddrFrame&, const AddrFrame&) = default;
};

/// Why a session ends. Unknown numbers are kept.
enum class CloseReason : std::uint16_t { None = 0, Shutdown = 1, Config = 2 };

/// The sender is leaving: drop the keys and keep silent.
///
///     0        2     4
///     | reason | 0   |
struct CloseFrame {
  CloseReason reason = CloseReason::None;
  friend bool operator==(const CloseFrame&, const CloseFrame&) = default;
};

/// Sequence numbers of received PATH_STATUS, PATH_ABANDON and ADDR; 1 to kAckCountMax.
struct AckFrame {
  FixedVector<std::uint16_t, kAckCountMax> sequences;
  friend bool operator==(const AckFrame&, const AckFrame&) noexcept;
};

/// The sender's name of the WAN behind this path: 1 to kPathNameBytesMax printable ASCII
/// characters without space (0x21 to 0x7e).
struct PathNameFrame {
  FixedVector<char, kPathNameBytesMax> characters;

  /// None if `name` has the wrong length or characters.
  static std::optional<PathNameFrame> make(std::string_view name) noexcept;
  std::string_view name() const noexcept { return {characters.begin(), characters.size()}; }
  friend bool operator==(const PathNameFrame& a, const PathNameFrame& b) noexcept {
    return a.name() == b.name();
  }
};

/// Which path the downloads of a subnet take; honoured within AllowedIPs only.
///
///     0        1        2      3       4                   8 or 20
///     | family | length | path | flags | prefix, 4 or 16 B |
struct LanMapFrame {
  Prefix prefix;
  PathId path;
  bool remove = false;  ///< flag 1
  friend bool operator==(const LanMapFrame&, const LanMapFrame&) = default;
};

/// Any frame of version 1.
using Frame = std::variant<ConfirmFrame, PathChallengeFrame, PathResponseFrame, PathStatusFrame,
                           PathAbandonFrame, BfdFrame, FeedbackFrame, PmtuProbeFrame, PmtuAckFrame,
                           AddrFrame, CloseFrame, AckFrame, PathNameFrame, LanMapFrame>;

/// Yields the frames of one CTRL in order. Unknown types below kFrameTypeEnd are skipped, the
/// first one from there on ends the packet.
class FrameReader {
 public:
  /// Checks all of `frames` (CtrlBody::frames) first. None, the packet is to be dropped whole, if
  /// a length points past the end, or a known frame has a wrong length, a nonzero reserved field
  /// or a value outside its definition. The bytes outlive the reader and its frames.
  static std::optional<FrameReader> open(Bytes frames) noexcept;
  /// The next frame, or none at the end.
  std::optional<Frame> next() noexcept;

 private:
  explicit FrameReader(Bytes frames) noexcept : rest_(frames) {}
  Bytes rest_;
};

/// Appends one frame, head and value; `out` is not ok() afterwards if it did not fit. A frame that
/// open() would refuse (path id too large, empty ACK or name ...) aborts.
void write_frame(ByteWriter& out, const Frame& frame) noexcept;

/// Builds the plaintext of one CTRL: ts, flen, frames, padding.
class FrameWriter {
 public:
  /// Writes into `plaintext`, at least kCtrlFieldsBytes; `stamp` is wire_stamp() of the sending.
  FrameWriter(MutableBytes plaintext, std::uint16_t stamp) noexcept;
  /// False, with nothing changed, if the frame does not fit.
  [[nodiscard]] bool push(const Frame& frame) noexcept;
  /// True while there is no frame.
  bool empty() const noexcept { return used_ == kCtrlFieldsBytes; }
  /// Bytes so far, with ts and flen.
  std::size_t size() const noexcept { return used_; }
  /// Fills flen in, pads with zeros up to `plaintext_bytes_min` (at most the whole room) and gives
  /// the plaintext. Harmless when repeated.
  MutableBytes finish(std::size_t plaintext_bytes_min = 0) noexcept;

 private:
  MutableBytes room_;
  std::size_t used_ = kCtrlFieldsBytes;
};

}  // namespace wanbond
