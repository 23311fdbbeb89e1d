// RingOffers: buffers that io_uring picks from for multishot requests (a provided buffer ring).
// Only the list that is shared with the kernel; whose memory it names is the matter of its two
// users, ring_buffers and tun_buffers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

struct io_uring;
struct io_uring_buf_ring;

namespace wanbond {

/// A list of buffers, each named by an id. Used by one ring.
class RingOffers {
 public:
  RingOffers() noexcept = default;
  ~RingOffers();
  RingOffers(const RingOffers&) = delete;
  RingOffers& operator=(const RingOffers&) = delete;

  /// Registers the list as `group`, for `count` ids: a power of two, at most 256. The ring must be
  /// closed before this object goes.
  Result<void> set_up(io_uring& ring, std::uint16_t group, std::uint16_t count);
  /// Puts a buffer behind those offered before; the kernel sees it from publish() on. The memory
  /// is the kernel's until a completion names the id.
  void offer(std::uint16_t id, MutableBytes buffer) noexcept;
  void publish() noexcept;

 private:
  io_uring_buf_ring* entries_ = nullptr;  // shared with the kernel
  std::uint16_t count_ = 0;
  std::uint16_t unpublished_ = 0;
};

}  // namespace wanbond
