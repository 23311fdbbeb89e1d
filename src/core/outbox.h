// Outbox: what a node wants done after an input. Bounded; the driver (or the simulator) empties it
// after every call. When it is full the packet is dropped and counted, nothing ever waits.
#pragma once

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/fixed.h"
#include "base/transmit.h"
#include "core/event.h"

namespace wanbond {

/// One write to the TUN device: `part_count` spans from `first_part` on, virtio header first.
struct TunWrite {
  std::uint16_t first_part = 0;
  std::uint16_t part_count = 0;
};

class Outbox {
 public:
  static constexpr std::size_t kTrainsMax = 512;
  static constexpr std::size_t kTunWritesMax = 256;
  static constexpr std::size_t kPartsMax = 4096;
  static constexpr std::size_t kEventsMax = 512;

  /// False, and the train is dropped, when full.
  [[nodiscard]] bool transmit(Transmit&& train) noexcept { return trains_.push(std::move(train)); }
  /// The bytes must stay valid until the driver's next wait(). False when full.
  [[nodiscard]] bool write_tun(std::span<const Bytes> parts) noexcept;
  /// An event that does not fit is lost, and counted in lost_events().
  void report(const Event& event) noexcept {
    if (!events_.push(event)) ++lost_events_;
  }

  std::span<Transmit> trains() noexcept { return trains_; }
  std::span<const TunWrite> tun_writes() const noexcept { return tun_writes_; }
  std::span<const Bytes> parts(const TunWrite& write) const noexcept {
    return std::span<const Bytes>(parts_).subspan(write.first_part, write.part_count);
  }
  std::span<const Event> events() const noexcept { return events_; }
  std::uint64_t lost_events() const noexcept { return lost_events_; }

  /// Forgets all but lost_events().
  void clear() noexcept;

 private:
  FixedVector<Transmit, kTrainsMax> trains_;
  FixedVector<TunWrite, kTunWritesMax> tun_writes_;
  FixedVector<Bytes, kPartsMax> parts_;
  FixedVector<Event, kEventsMax> events_;
  std::uint64_t lost_events_ = 0;
};

}  // namespace wanbond
