// Egress: LAN to WAN for one peer: numbers, seals and packs what was decided to be sent on a path.
// Stations 5 to 7 of the way out; the decision itself is taken before. A train for each path stays
// open until the batch ends, so that packets of equal size leave together however they came from
// the LAN.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/ecn.h"
#include "base/packet.h"
#include "base/time.h"
#include "core/drop_reason.h"
#include "core/outbox.h"
#include "core/path.h"
#include "crypto/keyring.h"
#include "sched/retain.h"
#include "tun/offload.h"

namespace wanbond {

/// Sends `message` as it is; an empty pool or a full outbox is a counted drop. For handshakes.
void send_plain(const PathAddress& to, Bytes message, PacketPool& pool, DropCounters& drops,
                Outbox& out) noexcept;

/// A path to send on, and the largest UDP payload that both ends take there.
struct SendPath {
  Path& path;
  std::size_t payload_bytes_max = 0;
};

/// Which segments of a super packet are sent, how they are numbered, and where they are kept.
struct Marking {
  std::uint16_t stream = 0;
  std::uint32_t sequence = 0;  // of the first one that is sent
  std::uint8_t flags = 0;      // of DATA; a partial checksum is noted by itself
  std::uint32_t kept = SentSegment::kPlain;
  std::uint32_t first = 0;
  std::uint32_t count = ~0U;  // at most: to the last one
  bool is_marked = false;     // CE in the outer header, which the far end copies (RFC 6040)
};

/// Probes that leave in one burst.
struct TrainPlan {
  unsigned count = 0;
  std::size_t bytes = 0;  // UDP payload of each
};

/// What was sent of a super packet.
struct SentCount {
  std::uint32_t segments = 0;
  std::uint64_t bytes = 0;  // inner
};

/// Owned by the session. Datagrams of one path leave in the order of the calls, and stand in the
/// path's SentLog until they are settled.
class Egress {
 public:
  /// All outlive it.
  Egress(Keyring& keyring, PacketPool& pool, DropCounters& drops,
         RetainedPackets& retained) noexcept
      : keyring_(keyring), pool_(pool), drops_(drops), retained_(retained) {}

  /// Appends the wanted segments of `super` to the train on the route; what is full leaves, the
  /// rest waits for more until flush(). Datagrams that are too large are dropped and counted, all
  /// of them; for lack of buffers or numbers, the last ones.
  SentCount send(Time now, const SuperPacket& super, const SendPath& route, const Marking& marking,
                 Outbox& out) noexcept;
  /// The same for segment `index` alone. False: it was dropped and counted.
  bool send_segment(Time now, const SuperPacket& super, std::uint32_t index, const SendPath& route,
                    const Marking& marking, Outbox& out) noexcept;
  /// Tells the receiver not to wait for a packet. It joins the train as data does.
  void send_void(Time now, const Marking& marking, Path& path, Outbox& out) noexcept;
  /// Sends packets whose only purpose is their pace of arrival; the peer drops their content.
  void send_train(Time now, Path& path, const TrainPlan& plan, Outbox& out) noexcept;
  /// Whether the peer understands ECN in the outer header.
  void set_ecn(EcnMode mode) noexcept { ecn_ = mode; }
  /// Largest UDP payload that the peer takes.
  void set_peer_bytes_max(std::size_t bytes) noexcept { peer_bytes_max_ = bytes; }
  /// And that it takes on this path.
  std::size_t payload_bytes_max(const Path& path) const noexcept {
    return std::min(path.payload_bytes_max(), peer_bytes_max_);
  }
  /// Sends one CTRL, behind what waits.
  void send_control(Time now, const ControlPlan& plan, Path& path, Outbox& out) noexcept;
  /// Sends what waits; to be called at the end of each batch.
  void flush(Outbox& out) noexcept;

 private:
  /// The train that further datagrams of the same size and one shorter are appended to.
  struct OpenTrain {
    PathAddress to;
    std::uint8_t tos = 0;
    Segments segments;  // without a buffer: none is open
    std::uint32_t count = 0;
  };

  /// As many paths as traffic is likely to be spread over at once; beyond that trains leave early.
  static constexpr std::size_t kOpenMax = 4;

  /// An open train to this address that a datagram of `bytes` can join; null: there is no buffer.
  OpenTrain* open_for(const Path& path, std::size_t bytes, std::uint8_t tos, Outbox& out) noexcept;
  /// The place of the train to this address, open or not.
  OpenTrain& place_for(const PathAddress& to, Outbox& out) noexcept;
  /// Room for one more datagram at the end of the train.
  static MutableBytes extend(OpenTrain& train, std::size_t bytes) noexcept;
  /// Nothing may follow the last one, of `bytes`.
  static bool is_complete(const OpenTrain& train, std::size_t bytes) noexcept;
  /// Whether a datagram of `bytes` may join the train.
  static bool may_join(const OpenTrain& train, std::size_t bytes) noexcept;
  /// Begins a train at an empty place; false when there is no buffer.
  bool begin(OpenTrain& train, const Path& path, std::size_t bytes) noexcept;
  /// Sends a train, if it is open, and leaves its place empty.
  void close(OpenTrain& train, Outbox& out) noexcept;
  /// Seals segment `index` behind the train; its size as a datagram, or 0 without a number.
  std::size_t append(Time now, const SuperPacket& super, std::uint32_t index, Path& path,
                     const Marking& marking, OpenTrain& train) noexcept;
  /// Both, and what is full leaves.
  std::size_t add(Time now, const SuperPacket& super, std::uint32_t index, Path& path,
                  const Marking& marking, Outbox& out) noexcept;
  void log(Time now, Path& path, std::uint32_t number, const SentSegment& segment) noexcept;

  Keyring& keyring_;
  PacketPool& pool_;
  DropCounters& drops_;
  EcnMode ecn_ = EcnMode::Compatibility;
  std::size_t peer_bytes_max_ = 0;
  RetainedPackets& retained_;
  std::array<OpenTrain, kOpenMax> open_;  // to different addresses
};

}  // namespace wanbond
