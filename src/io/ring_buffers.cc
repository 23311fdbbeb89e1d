#include "io/ring_buffers.h"

#include <liburing.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t kPageBytes = 4096;  // the kernel wants the entries on a page boundary

}  // namespace

RingBuffers::~RingBuffers() { std::free(entries_); }

Result<void> RingBuffers::set_up(io_uring& ring) {
  static_assert(kCount * sizeof(io_uring_buf) <= kPageBytes);
  entries_ = static_cast<io_uring_buf_ring*>(std::aligned_alloc(kPageBytes, kPageBytes));
  check(entries_ != nullptr);
  std::memset(static_cast<void*>(entries_), 0, kPageBytes);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uint64_t>(entries_);
  registration.ring_entries = kCount;
  registration.bgid = kGroup;
  if (const int r = io_uring_register_buf_ring(&ring, &registration, 0); r < 0)
    return Error{std::string("register buffer ring: ") + std::strerror(-r)};
  memory_.reset(new std::byte[kCount * kBytes + 64]);  // pages stay untouched
  for (std::uint16_t id = 0; id < kCount; ++id) offer(id, id);
  io_uring_buf_ring_advance(entries_, kCount);
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
  if (taken_.empty()) return;
  for (std::size_t i = 0; i < taken_.size(); ++i) offer(taken_[i], i);
  io_uring_buf_ring_advance(entries_, static_cast<int>(taken_.size()));
  taken_.clear();
}

void RingBuffers::offer(std::uint16_t id, std::size_t position) noexcept {
  const MutableBytes buffer = (*this)[id];
  io_uring_buf_ring_add(entries_, buffer.data(), static_cast<unsigned>(buffer.size()), id,
                        io_uring_buf_ring_mask(kCount), static_cast<int>(position));
}

}  // namespace wanbond
