// TooBigReplies: answers to packets of the LAN that are larger than a path carries (ICMP, ICMPv6).
// Owned by the node and shared by its sessions: it holds the bytes until the TUN has taken them.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/time.h"
#include "base/too_big.h"
#include "core/admission.h"
#include "core/outbox.h"
#include "tun/offload.h"

namespace wanbond {

/// Promise: at most kPerSecond answers a second, kBurst at once; the bytes of one stay valid for
/// kSlots further answers, which outlasts every batch.
class TooBigReplies {
 public:
  static constexpr unsigned kPerSecond = 200;
  static constexpr unsigned kBurst = 32;

  /// Tells the sender of `packet` (view: `inner`) that packets of at most `mtu_bytes` pass; nothing
  /// where no answer is allowed or too many were given.
  void answer(Time now, Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
              Outbox& out) noexcept;

 private:
  static constexpr std::size_t kSlots = 4 * kBurst;
  using Slot = std::array<std::byte, kVirtioHeaderBytes + kTooBigBytesMax>;

  TokenBucket limit_{kPerSecond, kBurst};
  /// Its pages are touched on first use.
  std::unique_ptr<std::array<Slot, kSlots>> slots_ =
      std::make_unique_for_overwrite<std::array<Slot, kSlots>>();
  std::size_t next_ = 0;
};

}  // namespace wanbond
