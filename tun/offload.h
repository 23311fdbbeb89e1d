// Super packets: what a TUN device with a virtio header hands us and wants back. Splits one into
// self-contained inner packets (station 5 of the way out) and coalesces such packets again (station
// 8 of the way in). Pure functions on bytes. Source: virtio 1.2 section 5.1.6 (legacy layout).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "base/bytes.h"
#include "base/fixed.h"
#include "base/inner.h"

namespace wanbond {

/// struct virtio_net_hdr without num_buffers; the TUN device is told this size.
inline constexpr std::size_t kVirtioHeaderBytes = 10;

/// VirtioHeader::flags: the checksum at csum_start + csum_offset is partial.
inline constexpr std::uint8_t kVirtioNeedsChecksum = 1;
/// VirtioHeader::gso_type. UDP (3, fragmentation of one datagram) is not spoken here.
inline constexpr std::uint8_t kVirtioGsoNone = 0;
inline constexpr std::uint8_t kVirtioGsoTcp4 = 1;
inline constexpr std::uint8_t kVirtioGsoTcp6 = 4;
inline constexpr std::uint8_t kVirtioGsoUdp = 5;
/// Bit of gso_type: the first segment of this TCP super packet has CWR set.
inline constexpr std::uint8_t kVirtioGsoEcn = 0x80;

/// The header in front of every packet read from or written to the TUN device. Its 16-bit fields
/// are in the byte order of the host: legacy virtio, and TUN unless told otherwise.
struct VirtioHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = kVirtioGsoNone;
  std::uint16_t header_bytes = 0;   // of all headers of a super packet; from the kernel only a hint
  std::uint16_t segment_bytes = 0;  // L4 payload of each segment of a super packet
  std::uint16_t csum_start = 0;     // offset in the packet from which the checksum counts
  std::uint16_t csum_offset = 0;    // offset of the checksum field from csum_start

  /// None if there are fewer than kVirtioHeaderBytes.
  static std::optional<VirtioHeader> parse(Bytes bytes) noexcept;
  void write(std::span<std::byte, kVirtioHeaderBytes> out) const noexcept;
};

/// State of the TCP or UDP checksum of an inner packet.
enum class Checksum : std::uint8_t {
  Full,     // as the packet's protocol wants it, or there is none
  Partial,  // only the pseudo header's sum: wire flag 0x80, the receiver's kernel completes it
};

/// A packet as read from the TUN device: a single inner packet, or many in one. A view: the bytes
/// stay the caller's and outlive it.
class SuperPacket {
 public:
  /// `read` is virtio header and packet. None if the packet is not IP or the virtio header does
  /// not fit it: unknown type, segment size 0, checksum place or headers beyond its end.
  static std::optional<SuperPacket> parse(Bytes read) noexcept;

  /// Headers of the whole; of a segment only the lengths, IPv4 id, TCP sequence and flags differ.
  const InnerPacket& inner() const noexcept { return inner_; }
  /// The packet without virtio header and without bytes behind its IP length.
  Bytes packet() const noexcept { return packet_; }
  /// At least 1. Nothing but the kernel's segment size bounds it: up to 65495.
  std::uint32_t segment_count() const noexcept { return segment_count_; }
  /// Size of inner packet `i` (< segment_count()) as write_segment makes it.
  std::size_t segment_bytes(std::uint32_t i) const noexcept;
  /// The largest of them: that of segment 0.
  std::size_t segment_bytes_max() const noexcept { return segment_bytes(0); }
  /// Partial if write_segment may leave the checksum to the receiver; a lone packet with a
  /// finished checksum, or with one at an unusual place, is Full.
  Checksum checksum() const noexcept { return checksum_; }

  /// Writes inner packet `i` to the start of `out` (at least segment_bytes(i)) and returns its
  /// size. With `wanted` Partial it has the checksum state of checksum(), with Full always a
  /// finished checksum. The source is left as it is.
  std::size_t write_segment(std::uint32_t i, Checksum wanted, MutableBytes out) const noexcept;

 private:
  bool fits(const VirtioHeader& virtio, Bytes read) noexcept;
  bool fits_checksum() noexcept;
  bool fits_gso() noexcept;
  void patch_segment(std::uint32_t i, MutableBytes segment) const noexcept;

  Bytes packet_;
  InnerPacket inner_;
  VirtioHeader virtio_;
  std::uint32_t segment_count_ = 1;
  Checksum checksum_ = Checksum::Full;
};

/// Whether the TUN device takes super packets of UDP (GSO_UDP_L4; kernel 6.2).
enum class UdpOffload : std::uint8_t { Off, On };

/// Puts neighbouring packets of one TCP or UDP flow together into super packets. It copies nothing
/// but headers: the packets stay in the caller's memory, which must hold still until the writes
/// that name it are done. Packets of one flow are never reordered; those of different flows may be.
///
/// `write` is called as write(std::span<const Bytes> parts): one write to the TUN device of the
/// concatenation of the parts, the virtio header in front, at most 65545 bytes. The span of parts
/// is valid during the call only; the bytes are the caller's own.
class Coalescer {
 public:
  /// Open super packets; beyond that the one used longest ago is written.
  static constexpr std::size_t kFlowsMax = 8;
  /// Packets in one super packet: what every kernel takes for UDP; TCP at 1400 bytes fills 47.
  static constexpr std::size_t kPartsMax = 64;

  explicit Coalescer(UdpOffload udp) noexcept : udp_(udp) {}

  /// Takes one packet. `room` is kVirtioHeaderBytes of scratch followed by the inner packet; both
  /// may be written to. `checksum` is what the wire said; a packet with a full checksum may get
  /// into a super packet with a partial one: the tag has proven what it carries. False if the
  /// packet is not IP or cannot have a partial checksum but claims to: the caller drops and counts.
  template <class Write>
  bool push(MutableBytes room, Checksum checksum, Write&& write) noexcept;
  /// The same when parse_inner() has read the packet already; false only for the checksum.
  template <class Write>
  bool push(MutableBytes room, const InnerPacket& inner, Checksum checksum, Write&& write) noexcept;
  /// Writes all that is open; to be called at the end of each batch.
  template <class Write>
  void flush(Write&& write) noexcept;

 private:
  struct Candidate {
    MutableBytes room;  // cut to the packet's own length
    InnerPacket inner;
    Checksum checksum = Checksum::Full;
    bool may_open = false;  // it can be the first packet of a super packet
    bool may_join = false;  // it can be a further one
    MutableBytes packet() const noexcept { return room.subspan(kVirtioHeaderBytes); }
  };
  struct Open {
    Candidate first;
    FixedVector<Bytes, kPartsMax> parts;  // empty: this slot is free
    std::size_t payload_bytes = 0;        // of all parts together
    std::uint64_t used = 0;               // number of the push that last touched it
    bool closed = false;                  // takes no more
  };

  std::optional<Candidate> examine(MutableBytes room, const InnerPacket& inner,
                                   Checksum checksum) const noexcept;
  static bool same_flow(const Candidate& a, const Candidate& b) noexcept;
  static bool same_addresses(const Candidate& a, const Candidate& b) noexcept;
  static bool may_overtake(const Candidate& candidate, const Candidate& open) noexcept;
  /// `candidate` does not overtake `open`: if it may join any, their flow is one.
  static bool append(Open& open, const Candidate& candidate) noexcept;
  static bool continues_tcp(const Open& open, const Candidate& candidate) noexcept;
  static void start(Open& open, const Candidate& candidate) noexcept;
  static void finish(Open& open) noexcept;
  static void finish_single(const Candidate& single) noexcept;
  Open& oldest() noexcept;
  template <class Write>
  static void emit(Open& open, Write&& write) noexcept;

  UdpOffload udp_;
  std::uint64_t pushed_ = 0;
  std::array<Open, kFlowsMax> open_{};
};

template <class Write>
bool Coalescer::push(MutableBytes room, Checksum checksum, Write&& write) noexcept {
  if (room.size() <= kVirtioHeaderBytes) return false;
  const auto inner = parse_inner(room.subspan(kVirtioHeaderBytes));
  return inner && push(room, *inner, checksum, write);
}

template <class Write>
bool Coalescer::push(MutableBytes room, const InnerPacket& inner, Checksum checksum,
                     Write&& write) noexcept {
  const std::optional<Candidate> candidate = examine(room, inner, checksum);
  if (!candidate) return false;
  ++pushed_;
  for (Open& open : open_) {
    if (open.parts.empty() || may_overtake(*candidate, open.first)) continue;
    if (append(open, *candidate)) {
      open.used = pushed_;
      if (open.closed) emit(open, write);
      return true;
    }
    emit(open, write);
  }
  if (!candidate->may_open) {
    finish_single(*candidate);
    const Bytes whole = candidate->room;
    write(std::span<const Bytes>(&whole, 1));
    return true;
  }
  Open& slot = oldest();
  emit(slot, write);
  start(slot, *candidate);
  slot.used = pushed_;
  return true;
}

template <class Write>
void Coalescer::flush(Write&& write) noexcept {
  for (Open& open : open_) emit(open, write);
}

template <class Write>
void Coalescer::emit(Open& open, Write&& write) noexcept {
  if (open.parts.empty()) return;
  finish(open);
  write(std::span<const Bytes>(open.parts));
  open.parts.clear();
}

}  // namespace wanbond
