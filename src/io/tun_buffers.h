// TunBuffers: packet buffers that a multishot read of the TUN fills. A large packet leaves in the
// buffer it was read into; a small one is copied out, so that a queue of them does not hold the
// large buffers.
#pragma once

#include <array>
#include <cstdint>

#include "base/packet.h"
#include "io/ring_offers.h"

namespace wanbond {

/// At most kCount large buffers of a pool, a quarter of what it has. Used by one ring.
class TunBuffers {
 public:
  /// As many packets as one wake-up of the kernel can deliver. A power of two.
  static constexpr std::uint16_t kCount = 64;
  /// Group id of the buffers in the ring.
  static constexpr std::uint16_t kGroup = 1;

  explicit TunBuffers(PacketPool& pool) noexcept : pool_(pool) {}

  /// Registers the list with the ring, which must be closed before this object goes.
  Result<void> set_up(io_uring& ring);
  /// The packet whose `bytes` were read into buffer `id`.
  Packet take(std::uint16_t id, std::size_t bytes) noexcept;
  /// Takes as many buffers from the pool as are missing, and shows them to the kernel.
  void refill() noexcept;
  /// Whether the kernel has none left to fill.
  bool empty() const noexcept { return offered_ == 0; }

 private:
  PacketPool& pool_;
  RingOffers list_;
  std::array<Packet, kCount> packets_;
  std::uint16_t limit_ = 0;    // ids in use
  std::uint16_t offered_ = 0;  // buffers that are the kernel's
};

}  // namespace wanbond
