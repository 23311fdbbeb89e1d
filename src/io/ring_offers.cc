#include "io/ring_offers.h"

#include <liburing.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t kPageBytes = 4096;  // the kernel wants the entries on a page boundary

}  // namespace

RingOffers::~RingOffers() { std::free(entries_); }

Result<void> RingOffers::set_up(io_uring& ring, std::uint16_t group, std::uint16_t count) {
  check(entries_ == nullptr && count * sizeof(io_uring_buf) <= kPageBytes);
  entries_ = static_cast<io_uring_buf_ring*>(std::aligned_alloc(kPageBytes, kPageBytes));
  check(entries_ != nullptr);
  std::memset(static_cast<void*>(entries_), 0, kPageBytes);
  count_ = count;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(entries_);
  registration.ring_entries = count;
  registration.bgid = group;
  if (const int r = io_uring_register_buf_ring(&ring, &registration, 0); r < 0)
    return Error{std::string("register buffer ring: ") + std::strerror(-r)};
  return {};
}

void RingOffers::offer(std::uint16_t id, MutableBytes buffer) noexcept {
  io_uring_buf_ring_add(entries_, buffer.data(), static_cast<unsigned>(buffer.size()), id,
                        io_uring_buf_ring_mask(count_), unpublished_++);
}

void RingOffers::publish() noexcept {
  if (unpublished_ != 0) io_uring_buf_ring_advance(entries_, unpublished_);
  unpublished_ = 0;
}

}  // namespace wanbond
