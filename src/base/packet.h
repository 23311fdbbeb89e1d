// Packet memory. All of it is taken at start; a packet is a move-only handle on one buffer of the
// pool, with head room for wire and virtio headers and tail room for the tag.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace wanbond {

class Packet;

/// Room before a fresh packet's first byte: 16 of wire header or 10 of virtio header, and enough
/// to keep the inner packet on a 64-byte boundary (protocol 1.7).
inline constexpr std::size_t kHeadroomBytes = 64;
/// The AEAD tag behind every sealed packet: Poly1305 or GHASH, never cut short.
inline constexpr std::size_t kTagBytes = 16;
/// Room that every buffer keeps behind its capacity: the AEAD tag, rounded up.
inline constexpr std::size_t kTailroomBytes = 64;
/// Largest content: a 64 KiB super packet with its virtio header.
inline constexpr std::size_t kPacketBytesMax = 65536 + 64;

/// Buffers in three size classes under one budget. Not thread-safe; outlives its packets.
class PacketPool {
 public:
  /// Capacity of each class: one segment with its headers; a jumbo packet; a super packet.
  static constexpr std::array<std::size_t, 3> kClassBytes{2048, 8192 + 2048, kPacketBytesMax};

  /// Takes `budget_bytes` of address space at once, a quarter each for the two small classes and
  /// half for the large one, at least 16 buffers of each. Pages are touched on first use.
  explicit PacketPool(std::size_t budget_bytes);
  ~PacketPool();
  PacketPool(const PacketPool&) = delete;
  PacketPool& operator=(const PacketPool&) = delete;

  /// An empty packet with room for at least `capacity_bytes` (0 to kPacketBytesMax) behind
  /// kHeadroomBytes, from the smallest class that fits and has one left. A packet that is not
  /// valid() when there is none: the caller drops and counts.
  Packet acquire(std::size_t capacity_bytes) noexcept;
  /// Buffers of the class that acquire(capacity_bytes) tries first, in use or not.
  std::size_t count(std::size_t capacity_bytes) const noexcept;
  /// As acquire(), but never from a larger class than the smallest that fits, and none while
  /// is_scarce(): for content that can be done without.
  Packet acquire_spare(std::size_t capacity_bytes) noexcept;
  /// Less than a quarter is left of the smallest class that fits.
  bool is_scarce(std::size_t capacity_bytes) const noexcept;
  /// Buffers in use, all classes; 0 when every packet came back.
  std::size_t used_count() const noexcept;

 private:
  friend class Packet;
  struct SizeClass {
    std::size_t buffer_bytes = 0;
    std::unique_ptr<std::byte[]> memory;
    std::vector<std::uint32_t> free;  // a stack: the buffer used last is still in the cache
    std::size_t count = 0;
    bool is_scarce() const noexcept { return free.size() < count / 4; }
  };
  static std::size_t smallest_class(std::size_t capacity_bytes) noexcept;
  Packet take_from(std::size_t size_class) noexcept;
  void release(std::uint32_t size_class, std::uint32_t index) noexcept;
  std::array<SizeClass, 3> classes_;
};

/// One buffer of a pool and the part of it that is content. Move-only; returns itself on
/// destruction. A default-made or moved-from packet is not valid() and has no bytes.
class Packet {
 public:
  Packet() noexcept = default;
  Packet(Packet&& other) noexcept { swap(other); }
  Packet& operator=(Packet&& other) noexcept {
    Packet(std::move(other)).swap(*this);
    return *this;
  }
  ~Packet() {
    if (pool_ != nullptr) pool_->release(size_class_, index_);
  }

  bool valid() const noexcept { return pool_ != nullptr; }
  MutableBytes bytes() noexcept { return {base_ + offset_, size_}; }
  Bytes bytes() const noexcept { return {base_ + offset_, size_}; }
  std::size_t size() const noexcept { return size_; }
  /// Bytes that can still be put before / behind the content.
  std::size_t headroom() const noexcept { return offset_; }
  std::size_t tailroom() const noexcept { return room_ - offset_ - size_; }

  /// Less than a quarter is left of the buffers of this one's size. Only of a valid packet.
  bool is_scarce() const noexcept;

  /// Sets the content's length; at most size() + tailroom(). New bytes are not initialised.
  void resize(std::size_t size) noexcept;
  /// Moves the content's start: forward over `count` bytes, or back into the head room.
  void drop_front(std::size_t count) noexcept;
  void grow_front(std::size_t count) noexcept;

 private:
  friend class PacketPool;
  void swap(Packet& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(base_, other.base_);
    std::swap(offset_, other.offset_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
    std::swap(index_, other.index_);
    std::swap(size_class_, other.size_class_);
  }

  PacketPool* pool_ = nullptr;
  std::byte* base_ = nullptr;  // of the buffer, not of the content
  std::uint32_t offset_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t room_ = 0;
  std::uint32_t index_ = 0;
  std::uint32_t size_class_ = 0;
};

/// Datagrams of equal size in one buffer, the last may be shorter: what one UDP_SEGMENT send
/// takes. A single datagram has segment_bytes == buffer.size().
struct Segments {
  Packet buffer;
  std::uint32_t segment_bytes = 0;

  std::size_t count() const noexcept {
    return segment_bytes == 0 ? 0 : (buffer.size() + segment_bytes - 1) / segment_bytes;
  }
};

}  // namespace wanbond
