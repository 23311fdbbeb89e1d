// RingBuffers: the memory that multishot receives fill. A buffer goes out with a completion and
// comes back at the next turn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "base/fixed.h"
#include "base/result.h"
#include "io/message.h"
#include "io/ring_offers.h"

struct io_uring;

namespace wanbond {

/// kCount buffers of a whole receive each. Used by one ring.
class RingBuffers {
 public:
  /// Half for the batch that is being worked on, half for the kernel; fewer than 64 make receives
  /// stop (datapath 2). A power of two.
  static constexpr std::uint16_t kCount = 128;
  /// Group id of the buffers in the ring.
  static constexpr std::uint16_t kGroup = 0;
  /// Room for the peer's address, rounded up so that the payload is 16-byte aligned.
  static constexpr std::size_t kNameBytes = 32;
  /// io_uring_recvmsg_out (16), name, control, payload; a multiple of 64.
  static constexpr std::size_t kBytes = 16 + kNameBytes + kControlBytes + kReceiveBytesMax;
  static_assert(kBytes % 64 == 0 && (kCount & (kCount - 1)) == 0);

  /// Registers all buffers with the ring, which must be closed before this object goes.
  Result<void> set_up(io_uring& ring);
  /// The memory of buffer `id`.
  MutableBytes operator[](std::uint16_t id) noexcept;
  /// Buffer `id` was filled; it is the caller's until the next give_back().
  void taken(std::uint16_t id) noexcept;
  /// Returns all taken buffers to the kernel.
  void give_back() noexcept;

 private:
  RingOffers list_;
  std::unique_ptr<std::byte[]> memory_;
  FixedVector<std::uint16_t, kCount> taken_;
};

}  // namespace wanbond
