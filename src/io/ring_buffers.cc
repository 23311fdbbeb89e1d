#include "io/ring_buffers.h"

#include "base/check.h"

namespace wanbond {

Result<void> RingBuffers::set_up(io_uring& ring) {
  if (Result<void> r = list_.set_up(ring, kGroup, kCount); !r) return r;
  memory_.reset(new std::byte[kCount * kBytes + 64]);  // pages stay untouched
  for (std::uint16_t id = 0; id < kCount; ++id) list_.offer(id, (*this)[id]);
  list_.publish();
  return {};
}

MutableBytes RingBuffers::operator[](std::uint16_t id) noexcept {
  check(id < kCount);
  const auto start = reinterpret_cast<std::uintptr_t>(memory_.get());
  const std::size_t aligned = (64 - start % 64) % 64;
  return {memory_.get() + aligned + id * kBytes, kBytes};
}

void RingBuffers::taken(std::uint16_t id) noexcept { check(taken_.push(id)); }

void RingBuffers::give_back() noexcept {
  for (const std::uint16_t id : taken_) list_.offer(id, (*this)[id]);
  taken_.clear();
  list_.publish();
}

}  // namespace wanbond
