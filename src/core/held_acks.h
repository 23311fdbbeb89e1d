// HeldAcks: pure acknowledgements on their way to the senders of held flows wait here, so that the
// senders see one round trip although their packets take paths of different length (AckHold;
// second page of the scheduling design, 2). Behind station 7 of the way in.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/inner.h"
#include "base/packet.h"
#include "base/time.h"
#include "sched/ack_hold.h"
#include "sched/resequencer.h"
#include "tun/offload.h"

namespace wanbond {

/// Numbers of TCP's own, from the first byte to behind the last one.
struct TcpRange {
  std::uint32_t begin = 0, end = 0;
};
/// Those of `count` segments from `first` on; only of TCP.
TcpRange tcp_range(const SuperPacket& super, std::uint32_t first, std::uint32_t count) noexcept;
/// Behind the newest byte that a TCP packet acknowledges, selectively (RFC 2018) or not.
std::uint32_t newest_acknowledged(Bytes packet, const InnerPacket& inner) noexcept;

/// One per session. Flows are named by the stream of their data. Promises: acknowledgements of a
/// flow leave in the order in which they came, none later than the round trip asked for; what does
/// not fit makes all leave at once.
class HeldAcks {
 public:
  static constexpr std::size_t kFlowsMax = 16;
  static constexpr std::size_t kHeldMax = 1024;
  explicit HeldAcks(PacketPool& pool) noexcept : pool_(pool) {}
  HeldAcks(const HeldAcks&) = delete;
  HeldAcks& operator=(const HeldAcks&) = delete;

  /// Data of a held flow goes out for the first time; of a further flow it is ignored.
  void on_sent(Time now, std::uint16_t stream, const TcpRange& range, HoldFrom from) noexcept;
  /// It is a pure acknowledgement, or the answer to a SYN: behind that nothing can come, and BBR
  /// would take its round trip for that of the path for 10 s.
  static bool may_wait(const InnerPacket& inner) noexcept;
  /// Something was noted of late.
  bool may_hold(Time now) const noexcept { return now < noted_until_; }
  struct Arrival {
    Bytes content;           // is copied; virtio header room and packet
    std::uint8_t flags = 0;  // given back with it, as is `note`
    std::uint8_t note = 0;
    std::uint32_t end = 0;  // newest_acknowledged()
  };
  /// A pure acknowledgement of a flow's data. True: it waits, to be taken. 0: it need not wait, but
  /// may not overtake others.
  bool hold(Time now, std::uint16_t stream, const Arrival& ack, Duration round_trip) noexcept;
  /// What waits of a flow, or of all, is due now.
  void release(Time now, std::uint16_t stream) noexcept;
  void release_all(Time now) noexcept;
  void on_timer(Time now) noexcept { now_ = now; }
  /// One that is due; call until none after all of the above.
  std::optional<ReleasedPacket> take() noexcept;
  Time next_timeout() const noexcept { return held_.empty() ? kNever : held_.front().due; }

  struct Counters {
    std::uint64_t held = 0, overflows = 0;
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  struct Noted {
    std::uint16_t stream = 0;
    Time used{};
    AckHold hold;
  };
  struct Held {
    Time due{};
    std::uint64_t number = 0;
    std::uint16_t stream = 0;
    ReleasedPacket ack;
  };
  static bool is_later(const Held& a, const Held& b) noexcept;
  Noted* find(std::uint16_t stream) noexcept;

  PacketPool& pool_;
  std::array<std::unique_ptr<Noted>, kFlowsMax> flows_;  // 32 KB each, made when needed
  std::vector<Held> held_;                               // a heap, what is due first in front
  std::uint64_t number_ = 0;                             // of the next one that is held
  Time now_{};
  Time noted_until_{};
  Counters counters_;
};

}  // namespace wanbond
