// Fuzz target: a TUN read (virtio header, packet) is split and its segments coalesced again, with
// super packets of UDP and without. No segment is lost, and what a kernel makes of the writes are
// the segments, in order and unchanged but for checksums, which may be wrong in the input.
#include <algorithm>
#include <vector>

#include "base/check.h"
#include "tun/offload.h"

using namespace wanbond;

namespace {

using Buffer = std::vector<std::byte>;

/// More would only repeat what these show.
constexpr std::uint32_t kSegmentsMax = 200;

/// Segment `i` as a host without offloads would send it, its checksums zero.
Buffer finished(const SuperPacket& super, std::uint32_t i) {
  Buffer segment(super.segment_bytes(i));
  check(super.write_segment(i, Checksum::Full, segment) == segment.size());
  const auto inner = parse_inner(segment);
  check(inner.has_value());
  if (inner->version == 4) segment[10] = segment[11] = std::byte{};
  if (inner->has_l4()) {
    const std::size_t field = inner->l4_offset + (inner->is_tcp() ? 16U : 6U);
    segment[field] = segment[field + 1] = std::byte{};
  }
  return segment;
}

void check_round_trip(const SuperPacket& super, UdpOffload udp) {
  std::vector<Buffer> sent, arrived, rooms;
  Coalescer coalescer(udp);
  const auto write = [&](std::span<const Bytes> parts) {
    Buffer whole;
    for (const Bytes part : parts) whole.insert(whole.end(), part.begin(), part.end());
    const auto again = SuperPacket::parse(whole);
    check(again.has_value());
    for (std::uint32_t i = 0; i < again->segment_count(); ++i)
      arrived.push_back(finished(*again, i));
  };
  for (std::uint32_t i = 0; i < super.segment_count(); ++i) {
    Buffer& room = rooms.emplace_back(kVirtioHeaderBytes + super.segment_bytes(i));
    const MutableBytes packet = MutableBytes(room).subspan(kVirtioHeaderBytes);
    check(super.write_segment(i, Checksum::Partial, packet) == packet.size());
    if (coalescer.push(room, super.checksum(), write)) sent.push_back(finished(super, i));
  }
  coalescer.flush(write);
  check(arrived == sent);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto super = SuperPacket::parse(std::as_bytes(std::span(data, size)));
  if (!super || super->segment_count() > kSegmentsMax) return 0;
  check_round_trip(*super, UdpOffload::On);
  check_round_trip(*super, UdpOffload::Off);
  return 0;
}
