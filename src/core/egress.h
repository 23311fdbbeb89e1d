// Egress: LAN to WAN for one peer: numbers, seals and packs what was decided to be sent on a path.
// Stations 5 to 7 of the way out; the decision itself is taken before.
#pragma once

#include <cstdint>

#include "base/packet.h"
#include "base/time.h"
#include "core/drop_reason.h"
#include "core/outbox.h"
#include "core/path.h"
#include "crypto/keyring.h"
#include "tun/offload.h"

namespace wanbond {

/// Sends `message` as it is; an empty pool or a full outbox is a counted drop. For handshakes.
void send_plain(const PathAddress& to, Bytes message, PacketPool& pool, DropCounters& drops,
                Outbox& out) noexcept;

/// Owned by the session; keeps no state of its own.
class Egress {
 public:
  /// All outlive it.
  Egress(Keyring& keyring, PacketPool& pool, DropCounters& drops) noexcept
      : keyring_(keyring), pool_(pool), drops_(drops) {}

  /// Sends all segments of `super` on `path`, as trains of equal datagrams. A datagram larger than
  /// `payload_bytes_max` is dropped and counted. Returns the inner bytes sent.
  std::uint64_t send(Time now, const SuperPacket& super, Path& path, std::size_t payload_bytes_max,
                     Outbox& out) noexcept;
  /// Sends one CTRL.
  void send_control(Time now, const ControlPlan& plan, Path& path, Outbox& out) noexcept;

 private:
  /// Segments [first, first + count) as one train; returns the inner bytes.
  std::uint64_t send_train(Time now, const SuperPacket& super, std::uint32_t first,
                           std::uint32_t count, Path& path, Outbox& out) noexcept;
  std::size_t seal_segment(Time now, const SuperPacket& super, std::uint32_t index, PathId path,
                           MutableBytes place) noexcept;

  Keyring& keyring_;
  PacketPool& pool_;
  DropCounters& drops_;
};

}  // namespace wanbond
