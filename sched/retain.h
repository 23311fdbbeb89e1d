// RetainedPackets: the super packets from the LAN whose segments are not all acknowledged yet.
// Repairs are made from them (decisions 11, 12). One per session, all paths together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/packet.h"
#include "base/time.h"
#include "sched/sent.h"

namespace wanbond {

/// The order number of a packet's first segment, and how it is marked on the wire.
struct StreamPlace {
  std::uint16_t stream = 0;
  std::uint8_t flags = 0;
  std::uint32_t sequence = 0;
};

/// Packets in the order of their coming, under running numbers. Promise: at most kCountMax, and
/// none while the pool's buffers of its size run short; the oldest gives way.
class RetainedPackets {
 public:
  static constexpr std::size_t kCountMax = 16384;

  /// The number that the next keep() will give; SentSegment::packet.
  std::uint32_t next_number() const noexcept { return next_; }
  /// Keeps `packet` until `segments` (at least 1) of it are released. It is not kept, and given
  /// back at once, when buffers of its size stay short.
  void keep(Time now, Packet packet, std::uint32_t segments, StreamPlace place = {}) noexcept;
  /// Null: given up.
  const Packet* find(std::uint32_t number) const noexcept;
  /// What keep() was told, of a packet that is given up as well while kCountMax others have not
  /// come since.
  StreamPlace place_of(std::uint32_t number) const noexcept { return at(number).place; }
  /// When it came; only of one that find() finds.
  Time kept_at(std::uint32_t number) const noexcept { return at(number).since; }
  /// One segment less to wait for.
  void release(std::uint32_t number) noexcept {
    if (number - base_ < next_ - base_) drop_segment(number);
  }

  std::size_t count() const noexcept { return count_; }
  /// Packets given up, since the start.
  std::uint64_t given_up() const noexcept { return given_up_; }

 private:
  static constexpr std::size_t kCountMin = 64;
  struct Kept {
    Packet packet;
    Time since{};
    std::uint32_t segments = 0;
    StreamPlace place;
  };
  Kept& at(std::uint32_t number) noexcept { return kept_[number & (kept_.size() - 1)]; }
  const Kept& at(std::uint32_t number) const noexcept { return kept_[number & (kept_.size() - 1)]; }
  void drop_segment(std::uint32_t number) noexcept;
  void give_back(Kept& kept) noexcept;
  void advance() noexcept;
  void give_up_oldest() noexcept;
  void grow() noexcept;

  std::vector<Kept> kept_;  // a power of two, [base_, next_) is in use
  std::uint32_t base_ = SentSegment::kKeptMin;
  std::uint32_t next_ = SentSegment::kKeptMin;
  std::size_t count_ = 0;
  std::uint64_t given_up_ = 0;
};

}  // namespace wanbond
