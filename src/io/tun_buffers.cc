#include "io/tun_buffers.h"

#include <algorithm>

#include "base/check.h"
#include "io/tun_file.h"

namespace wanbond {

Result<void> TunBuffers::set_up(io_uring& ring) {
  limit_ = static_cast<std::uint16_t>(
      std::clamp<std::size_t>(pool_.count(kTunReadBytes) / 4, 1, kCount));
  return list_.set_up(ring, kGroup, kCount);
}

Packet TunBuffers::take(std::uint16_t id, std::size_t bytes) noexcept {
  check(id < limit_ && packets_[id].valid() && offered_ > 0);
  Packet packet = take_packet(pool_, packets_[id], bytes);
  --offered_;
  if (!packets_[id].valid()) return packet;
  list_.offer(id, packets_[id].bytes());  // it was copied out
  ++offered_;
  return packet;
}

void TunBuffers::refill() noexcept {
  for (std::uint16_t id = 0; offered_ < limit_ && id < limit_; ++id) {
    if (packets_[id].valid()) continue;
    packets_[id] = packet_for(pool_, kTunReadBytes);
    if (!packets_[id].valid()) break;
    list_.offer(id, packets_[id].bytes());
    ++offered_;
  }
  list_.publish();
}

}  // namespace wanbond
