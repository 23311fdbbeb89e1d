#include "core/too_big.h"

namespace wanbond {

void TooBigReplies::answer(Time now, Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                           Outbox& out) noexcept {
  Slot& slot = (*slots_)[next_];
  const MutableBytes room(slot);
  const std::size_t size =
      write_too_big(packet, inner, mtu_bytes, room.subspan(kVirtioHeaderBytes));
  if (size == 0 || !limit_.take(now)) return;
  VirtioHeader{}.write(room.first<kVirtioHeaderBytes>());
  const Bytes whole = room.first(kVirtioHeaderBytes + size);
  if (out.write_tun(std::span<const Bytes>(&whole, 1))) next_ = (next_ + 1) % kSlots;
}

}  // namespace wanbond
