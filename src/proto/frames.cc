// The layouts are drawn in the header. Every parser reads exactly its frame's definition, so that
// writing what was parsed gives the same bytes.
#include "proto/frames.h"

#include <algorithm>

#include "base/check.h"
#include "proto/feedback_block.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kFamilyV4 = 4;
constexpr std::uint8_t kFamilyV6 = 6;
constexpr std::size_t kMappedBytes = 16;
constexpr std::uint8_t kChallengeBackup = 1;
constexpr std::uint8_t kChallengeMetered = 2;
constexpr std::uint8_t kLanMapRemove = 1;

struct RawFrame {
  std::uint8_t type = 0;
  Bytes value;
};

/// Takes one frame off the front of `rest`; none if it points past the end.
std::optional<RawFrame> take_raw(Bytes& rest) noexcept {
  ByteReader reader(rest);
  RawFrame raw;
  raw.type = reader.u8();
  raw.value = reader.take(reader.u8());
  if (!reader.ok()) return std::nullopt;
  rest = rest.last(reader.remaining());
  return raw;
}

bool is_path(PathId path) noexcept { return path.value < kPathCountMax; }

std::uint8_t family_of(const IpAddress& address) noexcept {
  return address.is_v4() ? kFamilyV4 : kFamilyV6;
}

bool is_name_character(char c) noexcept { return c > 0x20 && c < 0x7f; }

// Reads the value of a RANGES block; false if it is against its definition.
bool read_ranges(Bytes value, std::uint32_t largest, AckRanges& ranges) noexcept {
  ByteReader in(value);
  std::uint64_t end = std::uint64_t{largest} + 1;  // behind the next run
  for (bool is_first = true; is_first || in.remaining() > 0; is_first = false) {
    const std::uint32_t missing = is_first ? 0 : in.u16();
    const std::uint32_t count = in.u16();
    if (!in.ok() || count == 0 || (missing == 0) != is_first || missing + count > end) return false;
    end -= missing;
    const NumberRange range{static_cast<std::uint32_t>(end - count),
                            static_cast<std::uint32_t>(end - 1)};
    if (!ranges.push(range)) return false;
    end -= count;
  }
  return true;
}

bool blocks_are_right(Bytes blocks, std::uint32_t largest) noexcept {
  while (!blocks.empty()) {
    const auto raw = take_raw(blocks);
    AckRanges ranges;
    if (!raw || (raw->type == kBlockRanges && !read_ranges(raw->value, largest, ranges)) ||
        !is_feedback_block(raw->type, raw->value))
      return false;
  }
  return true;
}

// One parser per frame: it takes its fields off the reader and says whether their values are
// right. That all bytes were there, and no more, is checked by the caller.

bool parse(ByteReader&, ConfirmFrame&) noexcept { return true; }

bool parse(ByteReader& in, PathChallengeFrame& frame) noexcept {
  frame.token = in.u64();
  frame.priority = in.u8();
  const std::uint8_t flags = in.u8();
  frame.backup = (flags & kChallengeBackup) != 0;
  frame.metered = (flags & kChallengeMetered) != 0;
  const std::uint16_t reserved = in.u16();
  frame.rate_hint_kbps = in.u32();
  return reserved == 0 && (flags & ~(kChallengeBackup | kChallengeMetered)) == 0;
}

bool parse(ByteReader& in, PathResponseFrame& frame) noexcept {
  frame.token = in.u64();
  const std::uint8_t family = in.u8();
  const std::uint8_t reserved = in.u8();
  frame.seen.port = in.u16_be();
  const Bytes address = in.take(kMappedBytes);
  if (!in.ok()) return false;
  frame.seen.address = IpAddress::from_bytes(address);
  return reserved == 0 && family == family_of(frame.seen.address);
}

bool parse(ByteReader& in, PathStatusFrame& frame) noexcept {
  frame.path.value = in.u8();
  frame.state = static_cast<WirePathState>(in.u8());
  frame.sequence = in.u16();
  frame.priority = in.u8();
  frame.weight = in.u8();
  frame.reason = static_cast<PathReason>(in.u16());
  return is_path(frame.path) && frame.state >= WirePathState::Validating &&
         frame.state <= WirePathState::Drained;
}

bool parse(ByteReader& in, PathAbandonFrame& frame) noexcept {
  frame.path.value = in.u8();
  frame.reason = static_cast<PathReason>(in.u8());
  frame.sequence = in.u16();
  return is_path(frame.path);
}

bool parse(ByteReader& in, BfdFrame& frame) noexcept {
  const Bytes packet = in.take(kBfdControlBytes);
  std::copy(packet.begin(), packet.end(), frame.packet.begin());
  return true;
}

bool parse(ByteReader& in, FeedbackFrame& frame) noexcept {
  frame.path.value = in.u8();
  frame.flags = in.u8();
  frame.stamp_echo = in.u16();
  frame.held = in.u16();
  frame.arrived = in.u16();
  frame.largest_packet_number = in.u32();
  frame.packet_count = in.u32();
  frame.byte_count = in.u32();
  frame.ce_count = in.u16();
  frame.late_count = in.u16();
  frame.blocks = in.take(in.remaining());
  return is_path(frame.path) && blocks_are_right(frame.blocks, frame.largest_packet_number);
}

bool parse(ByteReader& in, PmtuProbeFrame& frame) noexcept {
  frame.id = in.u16();
  frame.payload_bytes = in.u16();
  return true;
}

bool parse(ByteReader& in, PmtuAckFrame& frame) noexcept {
  frame.id = in.u16();
  frame.payload_bytes = in.u16();
  return true;
}

bool parse(ByteReader& in, AddrFrame& frame) noexcept {
  frame.sequence = in.u16();
  frame.address_id = in.u8();
  frame.action = static_cast<AddrAction>(in.u8());
  frame.endpoint.port = in.u16_be();
  const Bytes address = in.take(kMappedBytes);
  if (!in.ok()) return false;
  frame.endpoint.address = IpAddress::from_bytes(address);
  return frame.action == AddrAction::Add || frame.action == AddrAction::Remove;
}

bool parse(ByteReader& in, CloseFrame& frame) noexcept {
  frame.reason = static_cast<CloseReason>(in.u16());
  return in.u16() == 0;
}

bool parse(ByteReader& in, AckFrame& frame) noexcept {
  if (in.remaining() == 0) return false;
  while (in.remaining() > 0)
    if (!frame.sequences.push(in.u16())) return false;
  return true;
}

bool parse(ByteReader& in, PathNameFrame& frame) noexcept {
  if (in.remaining() == 0) return false;
  while (in.remaining() > 0) {
    const char c = static_cast<char>(in.u8());
    if (!is_name_character(c) || !frame.characters.push(c)) return false;
  }
  return true;
}

bool parse(ByteReader& in, LanMapFrame& frame) noexcept {
  const std::uint8_t family = in.u8();
  const std::uint8_t length = in.u8();
  frame.path.value = in.u8();
  const std::uint8_t flags = in.u8();
  frame.remove = flags == kLanMapRemove;
  if (family != kFamilyV4 && family != kFamilyV6) return false;
  const Bytes raw = in.take(family == kFamilyV4 ? 4 : kMappedBytes);
  if (!in.ok()) return false;
  const IpAddress address = IpAddress::from_bytes(raw);
  if (family != family_of(address) || length > address.bit_count()) return false;
  frame.prefix = Prefix(address, length);
  return is_path(frame.path) && flags <= kLanMapRemove && frame.prefix.address() == address;
}

template <class T>
std::optional<Frame> parse_as(Bytes value) noexcept {
  ByteReader in(value);
  T frame;
  if (!parse(in, frame) || !in.ok() || in.remaining() != 0) return std::nullopt;
  return frame;
}

bool is_known(std::uint8_t type) noexcept {
  return type >= static_cast<std::uint8_t>(FrameType::Confirm) &&
         type <= static_cast<std::uint8_t>(FrameType::LanMap);
}

/// A frame of known type, or none if it is against its definition.
std::optional<Frame> parse_known(const RawFrame& raw) noexcept {
  switch (static_cast<FrameType>(raw.type)) {
    case FrameType::Confirm:
      return parse_as<ConfirmFrame>(raw.value);
    case FrameType::PathChallenge:
      return parse_as<PathChallengeFrame>(raw.value);
    case FrameType::PathResponse:
      return parse_as<PathResponseFrame>(raw.value);
    case FrameType::PathStatus:
      return parse_as<PathStatusFrame>(raw.value);
    case FrameType::PathAbandon:
      return parse_as<PathAbandonFrame>(raw.value);
    case FrameType::Bfd:
      return parse_as<BfdFrame>(raw.value);
    case FrameType::Feedback:
      return parse_as<FeedbackFrame>(raw.value);
    case FrameType::PmtuProbe:
      return parse_as<PmtuProbeFrame>(raw.value);
    case FrameType::PmtuAck:
      return parse_as<PmtuAckFrame>(raw.value);
    case FrameType::Addr:
      return parse_as<AddrFrame>(raw.value);
    case FrameType::Close:
      return parse_as<CloseFrame>(raw.value);
    case FrameType::Ack:
      return parse_as<AckFrame>(raw.value);
    case FrameType::PathName:
      return parse_as<PathNameFrame>(raw.value);
    case FrameType::LanMap:
      return parse_as<LanMapFrame>(raw.value);
  }
  return std::nullopt;
}

// One writer per frame: its type, and its value.

FrameType write(ByteWriter&, const ConfirmFrame&) noexcept { return FrameType::Confirm; }

FrameType write(ByteWriter& out, const PathChallengeFrame& frame) noexcept {
  out.u64(frame.token);
  out.u8(frame.priority);
  out.u8(static_cast<std::uint8_t>((frame.backup ? kChallengeBackup : 0) |
                                   (frame.metered ? kChallengeMetered : 0)));
  out.u16(0);
  out.u32(frame.rate_hint_kbps);
  return FrameType::PathChallenge;
}

FrameType write(ByteWriter& out, const PathResponseFrame& frame) noexcept {
  out.u64(frame.token);
  out.u8(family_of(frame.seen.address));
  out.u8(0);
  out.u16_be(frame.seen.port);
  out.put(frame.seen.address.mapped());
  return FrameType::PathResponse;
}

FrameType write(ByteWriter& out, const PathStatusFrame& frame) noexcept {
  check(is_path(frame.path));
  out.u8(frame.path.value);
  out.u8(static_cast<std::uint8_t>(frame.state));
  out.u16(frame.sequence);
  out.u8(frame.priority);
  out.u8(frame.weight);
  out.u16(static_cast<std::uint16_t>(frame.reason));
  return FrameType::PathStatus;
}

FrameType write(ByteWriter& out, const PathAbandonFrame& frame) noexcept {
  check(is_path(frame.path) && static_cast<std::uint16_t>(frame.reason) <= 0xff);
  out.u8(frame.path.value);
  out.u8(static_cast<std::uint8_t>(frame.reason));
  out.u16(frame.sequence);
  return FrameType::PathAbandon;
}

FrameType write(ByteWriter& out, const BfdFrame& frame) noexcept {
  out.put(frame.packet);
  return FrameType::Bfd;
}

FrameType write(ByteWriter& out, const FeedbackFrame& frame) noexcept {
  check(is_path(frame.path) && blocks_are_right(frame.blocks, frame.largest_packet_number) &&
        frame.blocks.size() <= kFrameValueBytesMax - kFeedbackBaseBytes);
  out.u8(frame.path.value);
  out.u8(frame.flags);
  out.u16(frame.stamp_echo);
  out.u16(frame.held);
  out.u16(frame.arrived);
  out.u32(frame.largest_packet_number);
  out.u32(frame.packet_count);
  out.u32(frame.byte_count);
  out.u16(frame.ce_count);
  out.u16(frame.late_count);
  out.put(frame.blocks);
  return FrameType::Feedback;
}

FrameType write(ByteWriter& out, const PmtuProbeFrame& frame) noexcept {
  out.u16(frame.id);
  out.u16(frame.payload_bytes);
  return FrameType::PmtuProbe;
}

FrameType write(ByteWriter& out, const PmtuAckFrame& frame) noexcept {
  out.u16(frame.id);
  out.u16(frame.payload_bytes);
  return FrameType::PmtuAck;
}

FrameType write(ByteWriter& out, const AddrFrame& frame) noexcept {
  out.u16(frame.sequence);
  out.u8(frame.address_id);
  out.u8(static_cast<std::uint8_t>(frame.action));
  out.u16_be(frame.endpoint.port);
  out.put(frame.endpoint.address.mapped());
  return FrameType::Addr;
}

FrameType write(ByteWriter& out, const CloseFrame& frame) noexcept {
  out.u16(static_cast<std::uint16_t>(frame.reason));
  out.u16(0);
  return FrameType::Close;
}

FrameType write(ByteWriter& out, const AckFrame& frame) noexcept {
  check(!frame.sequences.empty());
  for (const std::uint16_t sequence : frame.sequences) out.u16(sequence);
  return FrameType::Ack;
}

FrameType write(ByteWriter& out, const PathNameFrame& frame) noexcept {
  check(PathNameFrame::make(frame.name()).has_value());
  for (const char c : frame.characters) out.u8(static_cast<std::uint8_t>(c));
  return FrameType::PathName;
}

FrameType write(ByteWriter& out, const LanMapFrame& frame) noexcept {
  check(is_path(frame.path));
  out.u8(family_of(frame.prefix.address()));
  out.u8(static_cast<std::uint8_t>(frame.prefix.length()));
  out.u8(frame.path.value);
  out.u8(frame.remove ? kLanMapRemove : 0);
  out.put(frame.prefix.address().bytes());
  return FrameType::LanMap;
}

}  // namespace

BfdFrame BfdFrame::make(const BfdControl& control) noexcept {
  BfdFrame frame;
  ByteWriter writer(frame.packet);
  write_bfd(writer, control);
  return frame;
}

bool operator==(const FeedbackFrame& a, const FeedbackFrame& b) noexcept {
  return a.path == b.path && a.flags == b.flags && a.stamp_echo == b.stamp_echo &&
         a.held == b.held && a.arrived == b.arrived &&
         a.largest_packet_number == b.largest_packet_number && a.packet_count == b.packet_count &&
         a.byte_count == b.byte_count && a.ce_count == b.ce_count && a.late_count == b.late_count &&
         std::ranges::equal(a.blocks, b.blocks);
}

AckRanges acknowledged(const FeedbackFrame& feedback) noexcept {
  AckRanges ranges;
  Bytes blocks = feedback.blocks;
  while (!blocks.empty()) {
    const auto raw = take_raw(blocks);
    if (!raw || raw->type != kBlockRanges) continue;
    (void)read_ranges(raw->value, feedback.largest_packet_number, ranges);
    break;
  }
  return ranges;
}

void write_ack_ranges(ByteWriter& out, std::span<const NumberRange> received) noexcept {
  constexpr std::uint32_t kMost = 0xffff;
  const MutableBytes head = out.reserve(kFrameHeadBytes);
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < received.size() && i < kAckRangeCountMax; ++i) {
    const std::uint32_t count = received[i].last - received[i].first + 1;
    const std::uint32_t missing = i == 0 ? 0 : received[i - 1].first - received[i].last - 1;
    if (missing > kMost) break;
    if (i > 0) out.u16(static_cast<std::uint16_t>(missing));
    out.u16(static_cast<std::uint16_t>(std::min(count - 1, kMost - 1) + 1));
    if (count - 1 >= kMost) break;
  }
  if (head.empty() || !out.ok()) return;
  head[0] = std::byte{kBlockRanges};
  head[1] = static_cast<std::byte>(out.size() - start);
}

bool operator==(const AckFrame& a, const AckFrame& b) noexcept {
  return std::ranges::equal(a.sequences, b.sequences);
}

std::optional<PathNameFrame> PathNameFrame::make(std::string_view name) noexcept {
  PathNameFrame frame;
  if (name.empty()) return std::nullopt;
  for (const char c : name)
    if (!is_name_character(c) || !frame.characters.push(c)) return std::nullopt;
  return frame;
}

std::optional<FrameReader> FrameReader::open(Bytes frames) noexcept {
  Bytes rest = frames;
  while (!rest.empty() && static_cast<std::uint8_t>(rest.front()) < kFrameTypeEnd) {
    const auto raw = take_raw(rest);
    if (!raw || (is_known(raw->type) && !parse_known(*raw))) return std::nullopt;
  }
  return FrameReader(frames.first(frames.size() - rest.size()));
}

std::optional<Frame> FrameReader::next() noexcept {
  while (!rest_.empty()) {
    const auto raw = take_raw(rest_);
    if (raw && is_known(raw->type)) return parse_known(*raw);
  }
  return std::nullopt;
}

void write_frame(ByteWriter& out, const Frame& frame) noexcept {
  const MutableBytes head = out.reserve(kFrameHeadBytes);
  const std::size_t start = out.size();
  const FrameType type =
      std::visit([&out](const auto& typed) noexcept { return write(out, typed); }, frame);
  if (head.empty()) return;
  head[0] = static_cast<std::byte>(type);
  head[1] = static_cast<std::byte>(out.size() - start);
}

FrameWriter::FrameWriter(MutableBytes plaintext, std::uint16_t stamp) noexcept : room_(plaintext) {
  check(plaintext.size() >= kCtrlFieldsBytes && plaintext.size() <= kUdpPayloadBytesMax);
  ByteWriter out(room_);
  out.u16(stamp);
  out.u16(0);
}

bool FrameWriter::push(const Frame& frame) noexcept {
  ByteWriter out(room_.subspan(used_));
  write_frame(out, frame);
  if (!out.ok()) return false;
  used_ += out.size();
  return true;
}

MutableBytes FrameWriter::finish(std::size_t plaintext_bytes_min) noexcept {
  check(plaintext_bytes_min <= room_.size());
  ByteWriter length(room_.subspan(sizeof(std::uint16_t)));
  length.u16(static_cast<std::uint16_t>(used_ - kCtrlFieldsBytes));
  const std::size_t size = std::max(used_, plaintext_bytes_min);
  std::ranges::fill(room_.subspan(used_, size - used_), std::byte{0});
  return room_.first(size);
}

}  // namespace wanbond
