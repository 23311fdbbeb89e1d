// What a session does with packets that are larger than the path carries (RFC 4459).
#include <algorithm>
#include <array>

#include "base/too_big.h"
#include "core/session.h"
#include "proto/limits.h"

namespace wanbond {

std::size_t Session::inner_bytes_max() const noexcept {
  const std::size_t payload =
      std::min<std::size_t>(control_.payload_bytes_min(), current_.payload_bytes_max);
  const std::size_t tun = shared_.settings.tun_mtu_bytes;
  return payload < kDataPayloadBytesMin ? tun : std::min(tun, payload - kDataOverheadBytes);
}

void Session::on_oversized(Time now, const SuperPacket& super, const SendPath& to,
                           Outbox& out) noexcept {
  if (may_fragment(super.packet(), super.inner())) {
    const std::uint64_t bytes = send_fragments(now, super, to, out);
    if (bytes == 0) return;
    unanswered_since_ = std::min(unanswered_since_, now);
    tx_packets_ += super.segment_count();
    tx_bytes_ += bytes;
    return;
  }
  shared_.drops.add(DropReason::TooBig, super.segment_count());
  Packet scratch = shared_.pool.acquire(super.segment_bytes_max());
  if (!scratch.valid()) return;
  scratch.resize(super.segment_bytes_max());
  // The sender looks for a segment that it sent, not for the super packet.
  (void)super.write_segment(0, Checksum::Full, scratch.bytes());
  const auto inner = parse_inner(scratch.bytes());
  if (!inner) return;
  shared_.too_big.answer(now, scratch.bytes(), *inner, to.payload_bytes_max - kDataOverheadBytes,
                         out);
}

std::uint64_t Session::send_fragments(Time now, const SuperPacket& super, const SendPath& to,
                                      Outbox& out) noexcept {
  const std::size_t mtu = to.payload_bytes_max - kDataOverheadBytes;
  Packet whole = shared_.pool.acquire(super.segment_bytes_max());
  Packet part = shared_.pool.acquire(kVirtioHeaderBytes + mtu);
  if (!whole.valid() || !part.valid()) {
    shared_.drops.add(DropReason::NoBuffer, super.segment_count());
    return 0;
  }
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < super.segment_count(); ++i) {
    whole.resize(super.segment_bytes(i));
    (void)super.write_segment(i, Checksum::Full, whole.bytes());
    const auto inner = parse_inner(whole.bytes());
    for (std::size_t f = 0; inner && f < fragment_count(*inner, mtu); ++f) {
      part.resize(kVirtioHeaderBytes + mtu);
      const MutableBytes room = part.bytes();
      VirtioHeader{}.write(room.first<kVirtioHeaderBytes>());
      const std::size_t size =
          write_fragment(whole.bytes(), *inner, mtu, f, room.subspan(kVirtioHeaderBytes));
      const auto fragment = SuperPacket::parse(room.first(kVirtioHeaderBytes + size));
      if (fragment) bytes += egress_.send(now, *fragment, to, {}, out).bytes;
    }
  }
  return bytes;
}

}  // namespace wanbond
