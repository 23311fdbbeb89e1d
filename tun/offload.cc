#include "tun/offload.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t kTcpChecksumOffset = 16;
constexpr std::size_t kUdpChecksumOffset = 6;
constexpr std::size_t kSuperPacketBytesMax = 65535;  // IPv4 total length; kept for IPv6 too

constexpr std::size_t kIpv4TotalAt = 2, kIpv4IdAt = 4, kIpv4FlagsAt = 6, kIpv4ChecksumAt = 10;
constexpr std::size_t kIpv6PayloadAt = 4;
constexpr std::size_t kTcpSequenceAt = 4, kTcpAckAt = 8, kTcpFlagsAt = 13, kTcpWindowAt = 14;
constexpr std::size_t kTcpUrgentAt = 18;
constexpr std::size_t kUdpLengthAt = 4;
constexpr std::uint16_t kIpv4DontFragment = 0x4000;

std::uint16_t u16_at(Bytes bytes, std::size_t at) noexcept {
  return ByteReader(bytes.subspan(at)).u16_be();
}
std::uint32_t u32_at(Bytes bytes, std::size_t at) noexcept {
  return ByteReader(bytes.subspan(at)).u32_be();
}
void put_u16(MutableBytes bytes, std::size_t at, std::size_t value) noexcept {
  ByteWriter(bytes.subspan(at)).u16_be(static_cast<std::uint16_t>(value));
}
bool equal_at(Bytes a, Bytes b, std::size_t at, std::size_t count) noexcept {
  return std::memcmp(a.subspan(at, count).data(), b.subspan(at, count).data(), count) == 0;
}

std::size_t checksum_offset(const InnerPacket& inner) noexcept {
  return inner.protocol == kProtocolTcp ? kTcpChecksumOffset : kUdpChecksumOffset;
}
std::size_t checksum_at(const InnerPacket& inner) noexcept {
  return inner.l4_offset + checksum_offset(inner);
}

// True for TCP or UDP right behind an IP header without options or extensions. Only then is the
// pseudo header what the IP header says (a routing header changes it), which is what a receiver
// needs that completes a partial checksum.
bool is_plain(Bytes packet, const InnerPacket& inner) noexcept {
  const std::size_t ip_bytes = inner.version == 4 ? kIpv4HeaderBytes : kIpv6HeaderBytes;
  if (!inner.has_l4() || inner.is_fragment() || inner.l4_offset != ip_bytes) return false;
  return inner.is_tcp() ||
         u16_at(packet, inner.l4_offset + kUdpLengthAt) == inner.total_bytes - inner.l4_offset;
}

// Writes `total_bytes` into the IP header, its checksum, and the UDP header.
void set_total(MutableBytes packet, const InnerPacket& inner, std::size_t total_bytes) noexcept {
  if (inner.is_udp())
    put_u16(packet, inner.l4_offset + kUdpLengthAt, total_bytes - inner.l4_offset);
  if (inner.version == 6) {
    put_u16(packet, kIpv6PayloadAt, total_bytes - kIpv6HeaderBytes);
    return;
  }
  put_u16(packet, kIpv4TotalAt, total_bytes);
  put_u16(packet, kIpv4ChecksumAt, 0);
  const std::uint64_t sum = checksum_add(0, packet.first(inner.l4_offset));
  put_u16(packet, kIpv4ChecksumAt, static_cast<std::uint16_t>(~checksum_fold(sum)));
}

// Writes the partial checksum of a plain packet of `total_bytes`.
void set_partial(MutableBytes packet, const InnerPacket& inner, std::size_t total_bytes) noexcept {
  const auto l4_bytes = static_cast<std::uint32_t>(total_bytes - inner.l4_offset);
  const std::uint64_t sum =
      checksum_pseudo(inner_addresses(packet, inner), inner.protocol, l4_bytes);
  put_u16(packet, checksum_at(inner), checksum_fold(sum));
}

// Turns the partial checksum at `start` + `offset` into a finished one. Zero is sent as 0xffff,
// since it means "none" in UDP (RFC 768); for the others both are the same number.
void complete_checksum(MutableBytes packet, std::size_t start, std::size_t offset) noexcept {
  const auto sum =
      static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, packet.subspan(start))));
  put_u16(packet, start + offset, sum == 0 ? 0xffff : sum);
}

// `partial` after the L4 length in the pseudo header has changed (RFC 1624).
std::uint16_t adjust_partial(std::uint16_t partial, std::size_t from, std::size_t to) noexcept {
  std::size_t sum = partial + (0xffff - from) + to;
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

std::uint8_t gso_type_of(const InnerPacket& inner) noexcept {
  if (inner.is_udp()) return kVirtioGsoUdp;
  return inner.version == 4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6;
}

VirtioHeader partial_header(const InnerPacket& inner) noexcept {
  return {.flags = kVirtioNeedsChecksum,
          .csum_start = inner.l4_offset,
          .csum_offset = static_cast<std::uint16_t>(checksum_offset(inner))};
}

void write_in_front(const VirtioHeader& header, MutableBytes room) noexcept {
  header.write(room.first<kVirtioHeaderBytes>());
}

// The rule for the IPv4 identification of packet number `index` of a super packet: counting up, as
// the split makes it, or constant where it has no meaning (RFC 6864 4.1).
bool id_follows(Bytes first, Bytes next, std::size_t index) noexcept {
  const auto distance =
      static_cast<std::uint16_t>(u16_at(next, kIpv4IdAt) - u16_at(first, kIpv4IdAt));
  if (distance == static_cast<std::uint16_t>(index)) return true;
  return distance == 0 && (u16_at(first, kIpv4FlagsAt) & kIpv4DontFragment) != 0;
}

// Everything in the IP headers that all packets of a super packet share, but for the addresses.
bool ip_agrees(Bytes first, Bytes next, std::uint8_t version) noexcept {
  if (version == 4) return equal_at(first, next, 0, 2) && equal_at(first, next, kIpv4FlagsAt, 4);
  return equal_at(first, next, 0, 4) && equal_at(first, next, 6, 2);
}

// The same for TCP headers of equal length, without ports, sequence, flags and checksum.
bool tcp_agrees(Bytes first, Bytes next, std::size_t header_bytes) noexcept {
  return equal_at(first, next, kTcpAckAt, kTcpFlagsAt - kTcpAckAt) &&
         equal_at(first, next, kTcpWindowAt, 2) &&
         equal_at(first, next, kTcpUrgentAt, header_bytes - kTcpUrgentAt);
}

}  // namespace

std::optional<VirtioHeader> VirtioHeader::parse(Bytes bytes) noexcept {
  if (bytes.size() < kVirtioHeaderBytes) return {};
  const auto host_u16 = [&](std::size_t at) {
    std::uint16_t value;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    return value;
  };
  return VirtioHeader{.flags = std::to_integer<std::uint8_t>(bytes[0]),
                      .gso_type = std::to_integer<std::uint8_t>(bytes[1]),
                      .header_bytes = host_u16(2),
                      .segment_bytes = host_u16(4),
                      .csum_start = host_u16(6),
                      .csum_offset = host_u16(8)};
}

void VirtioHeader::write(std::span<std::byte, kVirtioHeaderBytes> out) const noexcept {
  out[0] = std::byte{flags};
  out[1] = std::byte{gso_type};
  const std::array<std::uint16_t, 4> fields{header_bytes, segment_bytes, csum_start, csum_offset};
  static_assert(2 + sizeof(fields) == kVirtioHeaderBytes);
  std::memcpy(out.data() + 2, fields.data(), sizeof(fields));
}

std::optional<SuperPacket> SuperPacket::parse(Bytes read) noexcept {
  const auto virtio = VirtioHeader::parse(read);
  if (!virtio) return {};
  std::optional<SuperPacket> super(std::in_place);  // filled in its place: it is not small
  const bool is_sane = parse_inner(read.subspan(kVirtioHeaderBytes), super->inner_) &&
                       super->fits(*virtio, read.subspan(kVirtioHeaderBytes));
  if (!is_sane) super.reset();
  return super;
}

bool SuperPacket::fits(const VirtioHeader& virtio, Bytes read) noexcept {
  packet_ = read.first(inner_.total_bytes);
  virtio_ = virtio;
  return fits_checksum() && fits_gso();
}

// Checks the place of a partial checksum, and whether the receiver could find it by itself.
bool SuperPacket::fits_checksum() noexcept {
  if ((virtio_.flags & kVirtioNeedsChecksum) == 0) return true;
  const std::size_t end = std::size_t{virtio_.csum_start} + virtio_.csum_offset + 2;
  if (virtio_.csum_start < inner_.l4_offset || end > packet_.size()) return false;
  const bool usual = is_plain(packet_, inner_) && virtio_.csum_start == inner_.l4_offset &&
                     virtio_.csum_offset == checksum_offset(inner_);
  checksum_ = usual ? Checksum::Partial : Checksum::Full;
  return true;
}

// Checks what a super packet says of its segments and counts them.
bool SuperPacket::fits_gso() noexcept {
  if (virtio_.gso_type == kVirtioGsoNone) return true;
  const bool ecn_allowed = inner_.is_tcp();
  const std::uint8_t type =
      virtio_.gso_type & static_cast<std::uint8_t>(~(ecn_allowed ? kVirtioGsoEcn : 0));
  if (!inner_.has_l4() || inner_.is_fragment() || type != gso_type_of(inner_)) return false;
  if (virtio_.segment_bytes == 0 || virtio_.header_bytes > packet_.size()) return false;
  if ((virtio_.flags & kVirtioNeedsChecksum) == 0) return false;
  if (virtio_.csum_start != inner_.l4_offset || virtio_.csum_offset != checksum_offset(inner_))
    return false;
  const std::size_t payload = inner_.payload_bytes();
  const std::size_t count = (payload + virtio_.segment_bytes - 1) / virtio_.segment_bytes;
  segment_count_ = static_cast<std::uint32_t>(std::max<std::size_t>(count, 1));
  return true;
}

std::size_t SuperPacket::segment_bytes(std::uint32_t i) const noexcept {
  check(i < segment_count_);
  if (virtio_.gso_type == kVirtioGsoNone) return packet_.size();
  const std::size_t offset = std::size_t{i} * virtio_.segment_bytes;
  return inner_.header_bytes() +
         std::min<std::size_t>(virtio_.segment_bytes, inner_.payload_bytes() - offset);
}

std::size_t SuperPacket::write_segment(std::uint32_t i, Checksum wanted,
                                       MutableBytes out) const noexcept {
  const std::size_t size = segment_bytes(i);
  check(out.size() >= size);
  const MutableBytes segment = out.first(size);
  if (virtio_.gso_type == kVirtioGsoNone) {
    std::memcpy(segment.data(), packet_.data(), size);
  } else {
    const std::size_t header_bytes = inner_.header_bytes();
    const Bytes payload =
        packet_.subspan(header_bytes + std::size_t{i} * virtio_.segment_bytes, size - header_bytes);
    std::memcpy(segment.data(), packet_.data(), header_bytes);
    if (!payload.empty())
      std::memcpy(segment.data() + header_bytes, payload.data(), payload.size());
    patch_segment(i, segment);
  }
  const bool partial = (virtio_.flags & kVirtioNeedsChecksum) != 0;
  if (partial && (wanted == Checksum::Full || checksum_ == Checksum::Full))
    complete_checksum(segment, virtio_.csum_start, virtio_.csum_offset);
  return size;
}

// Makes the copied headers of segment `i` its own.
void SuperPacket::patch_segment(std::uint32_t i, MutableBytes segment) const noexcept {
  if (inner_.version == 4) put_u16(segment, kIpv4IdAt, u16_at(packet_, kIpv4IdAt) + std::size_t{i});
  set_total(segment, inner_, segment.size());
  put_u16(segment, checksum_at(inner_),
          adjust_partial(u16_at(packet_, checksum_at(inner_)), packet_.size() - inner_.l4_offset,
                         segment.size() - inner_.l4_offset));
  if (!inner_.is_tcp()) return;
  const MutableBytes tcp = segment.subspan(inner_.l4_offset);
  ByteWriter(tcp.subspan(kTcpSequenceAt))
      .u32_be(u32_at(tcp, kTcpSequenceAt) + i * virtio_.segment_bytes);
  std::uint8_t flags = inner_.tcp_flags;
  if (i != 0) flags = flags & static_cast<std::uint8_t>(~kTcpCwr);
  if (i + 1 != segment_count_) flags = flags & static_cast<std::uint8_t>(~(kTcpFin | kTcpPsh));
  tcp[kTcpFlagsAt] = std::byte{flags};
}

std::optional<Coalescer::Candidate> Coalescer::examine(MutableBytes room, const InnerPacket& inner,
                                                       Checksum checksum) const noexcept {
  Candidate candidate{.room = room.first(kVirtioHeaderBytes + inner.total_bytes),
                      .inner = inner,
                      .checksum = checksum};
  const Bytes packet = candidate.packet();
  if (!is_plain(packet, inner)) {
    if (checksum == Checksum::Partial) return {};
    return candidate;
  }
  if (inner.payload_bytes() == 0) return candidate;
  if (inner.is_tcp()) {
    // A PSH or FIN ends a super packet, CWR stands only in its first segment.
    constexpr std::uint8_t kAlone = kTcpSyn | kTcpRst | kTcpUrg;
    candidate.may_open = (inner.tcp_flags & (kAlone | kTcpPsh | kTcpFin)) == 0;
    candidate.may_join = (inner.tcp_flags & (kAlone | kTcpCwr)) == 0;
    return candidate;
  }
  // A super packet would give a checksum to a datagram that was sent without one.
  const bool has_checksum =
      checksum == Checksum::Partial || u16_at(packet, checksum_at(inner)) != 0;
  candidate.may_open = candidate.may_join = has_checksum && udp_ == UdpOffload::On;
  return candidate;
}

bool Coalescer::same_flow(const Candidate& a, const Candidate& b) noexcept {
  if (a.inner.source_port != b.inner.source_port || a.inner.version != b.inner.version)
    return false;
  if (a.inner.destination_port != b.inner.destination_port) return false;
  return a.inner.protocol == b.inner.protocol && same_addresses(a, b);
}

bool Coalescer::same_addresses(const Candidate& a, const Candidate& b) noexcept {
  if (a.inner.version != b.inner.version) return false;
  const Bytes addresses = inner_addresses(a.packet(), a.inner);
  return std::memcmp(addresses.data(), inner_addresses(b.packet(), b.inner).data(),
                     addresses.size()) == 0;
}

// A packet without ports (a later fragment, say) may belong to any flow between its addresses.
bool Coalescer::may_overtake(const Candidate& candidate, const Candidate& open) noexcept {
  return candidate.inner.has_l4() ? !same_flow(candidate, open) : !same_addresses(candidate, open);
}

bool Coalescer::append(Open& open, const Candidate& candidate) noexcept {
  const InnerPacket& first = open.first.inner;
  const std::size_t payload_bytes = candidate.inner.payload_bytes();
  const std::size_t segment_bytes = first.payload_bytes();
  if (!candidate.may_join) return false;
  if (candidate.inner.l4_header_bytes != first.l4_header_bytes || payload_bytes > segment_bytes)
    return false;
  if (first.header_bytes() + open.payload_bytes + payload_bytes > kSuperPacketBytesMax)
    return false;
  const MutableBytes old = open.first.packet();
  const Bytes next = candidate.packet();
  if (!ip_agrees(old, next, first.version)) return false;
  if (first.version == 4 && !id_follows(old, next, open.parts.size())) return false;
  if (first.is_tcp() && !continues_tcp(open, candidate)) return false;
  if (!open.parts.push(next.subspan(first.header_bytes()))) return false;
  open.payload_bytes += payload_bytes;
  constexpr std::uint8_t kEnd = kTcpPsh | kTcpFin;
  const std::uint8_t end_flags = candidate.inner.tcp_flags & kEnd;
  if (first.is_tcp()) old[first.l4_offset + kTcpFlagsAt] |= std::byte{end_flags};
  open.closed = payload_bytes < segment_bytes || end_flags != 0 || open.parts.full();
  return true;
}

bool Coalescer::continues_tcp(const Open& open, const Candidate& candidate) noexcept {
  constexpr std::uint8_t kEnd = kTcpPsh | kTcpFin;
  const InnerPacket& first = open.first.inner;
  const Bytes old_tcp = open.first.packet().subspan(first.l4_offset);
  const Bytes new_tcp = candidate.packet().subspan(first.l4_offset);
  if (u32_at(new_tcp, kTcpSequenceAt) !=
      static_cast<std::uint32_t>(u32_at(old_tcp, kTcpSequenceAt) + open.payload_bytes))
    return false;
  const int flags_first = first.tcp_flags & ~kTcpCwr;
  return (candidate.inner.tcp_flags & ~kEnd) == flags_first &&
         tcp_agrees(old_tcp, new_tcp, first.l4_header_bytes);
}

void Coalescer::start(Open& open, const Candidate& candidate) noexcept {
  open.first = candidate;
  open.payload_bytes = candidate.inner.payload_bytes();
  open.closed = false;
  check(open.parts.push(candidate.room));
}

void Coalescer::finish(Open& open) noexcept {
  if (open.parts.size() == 1) return finish_single(open.first);
  const InnerPacket& inner = open.first.inner;
  const std::size_t total_bytes = inner.header_bytes() + open.payload_bytes;
  set_total(open.first.packet(), inner, total_bytes);
  set_partial(open.first.packet(), inner, total_bytes);
  VirtioHeader header = partial_header(inner);
  header.gso_type = gso_type_of(inner);
  if ((inner.tcp_flags & kTcpCwr) != 0) header.gso_type |= kVirtioGsoEcn;
  header.header_bytes = static_cast<std::uint16_t>(inner.header_bytes());
  header.segment_bytes = static_cast<std::uint16_t>(inner.payload_bytes());
  write_in_front(header, open.first.room);
}

void Coalescer::finish_single(const Candidate& single) noexcept {
  if (single.checksum == Checksum::Full) return write_in_front(VirtioHeader{}, single.room);
  set_partial(single.packet(), single.inner, single.inner.total_bytes);
  write_in_front(partial_header(single.inner), single.room);
}

Coalescer::Open& Coalescer::oldest() noexcept {
  return *std::min_element(open_.begin(), open_.end(), [](const Open& a, const Open& b) {
    if (a.parts.empty() != b.parts.empty()) return a.parts.empty();
    return a.used < b.used;
  });
}

}  // namespace wanbond
