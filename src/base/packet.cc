#include "base/packet.h"

#include <algorithm>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kCountMin = 16;

constexpr std::size_t round_up(std::size_t bytes) noexcept {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

PacketPool::PacketPool(std::size_t budget_bytes) {
  const std::array<std::size_t, 3> share{budget_bytes / 4, budget_bytes / 4, budget_bytes / 2};
  for (std::size_t i = 0; i < classes_.size(); ++i) {
    SizeClass& c = classes_[i];
    c.buffer_bytes = round_up(kHeadroomBytes + kClassBytes[i] + kTailroomBytes);
    c.count = std::max(kCountMin, share[i] / c.buffer_bytes);
    c.memory.reset(new std::byte[c.count * c.buffer_bytes + kAlignment]);  // pages stay untouched
    c.free.reserve(c.count);
    for (std::size_t n = c.count; n > 0; --n) c.free.push_back(static_cast<std::uint32_t>(n - 1));
  }
}

PacketPool::~PacketPool() { check(used_count() == 0); }

std::size_t PacketPool::smallest_class(std::size_t capacity_bytes) noexcept {
  check(capacity_bytes <= kPacketBytesMax);
  std::size_t i = 0;
  while (kClassBytes[i] < capacity_bytes) ++i;
  return i;
}

Packet PacketPool::take_from(std::size_t size_class) noexcept {
  Packet packet;
  SizeClass& c = classes_[size_class];
  if (c.free.empty()) return packet;
  packet.index_ = c.free.back();
  c.free.pop_back();
  const auto start = reinterpret_cast<std::uintptr_t>(c.memory.get());
  packet.pool_ = this;
  packet.base_ = c.memory.get() + (round_up(start) - start) + packet.index_ * c.buffer_bytes;
  packet.offset_ = kHeadroomBytes;
  packet.room_ = static_cast<std::uint32_t>(c.buffer_bytes);
  packet.size_class_ = static_cast<std::uint32_t>(size_class);
  return packet;
}

Packet PacketPool::acquire(std::size_t capacity_bytes) noexcept {
  Packet packet;
  for (std::size_t i = smallest_class(capacity_bytes); i < classes_.size() && !packet.valid(); ++i)
    packet = take_from(i);
  return packet;
}

Packet PacketPool::acquire_spare(std::size_t capacity_bytes) noexcept {
  return is_scarce(capacity_bytes) ? Packet() : take_from(smallest_class(capacity_bytes));
}

bool PacketPool::is_scarce(std::size_t capacity_bytes) const noexcept {
  return classes_[smallest_class(capacity_bytes)].is_scarce();
}

std::size_t PacketPool::count(std::size_t capacity_bytes) const noexcept {
  return classes_[smallest_class(capacity_bytes)].count;
}

std::size_t PacketPool::used_count() const noexcept {
  std::size_t used = 0;
  for (const SizeClass& c : classes_) used += c.count - c.free.size();
  return used;
}

void PacketPool::release(std::uint32_t size_class, std::uint32_t index) noexcept {
  SizeClass& c = classes_[size_class];
  check(c.free.size() < c.count);
  c.free.push_back(index);  // never allocates: the capacity was reserved for all
}

bool Packet::is_scarce() const noexcept { return pool_->classes_[size_class_].is_scarce(); }

void Packet::resize(std::size_t size) noexcept {
  check(size <= size_ + tailroom());
  size_ = static_cast<std::uint32_t>(size);
}

void Packet::drop_front(std::size_t count) noexcept {
  check(count <= size_);
  offset_ += static_cast<std::uint32_t>(count);
  size_ -= static_cast<std::uint32_t>(count);
}

void Packet::grow_front(std::size_t count) noexcept {
  check(count <= offset_);
  offset_ -= static_cast<std::uint32_t>(count);
  size_ += static_cast<std::uint32_t>(count);
}

}  // namespace wanbond
