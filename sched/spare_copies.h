// SpareCopies: the few small packets that go over a second path without being asked for: those
// whose loss costs their flow a time-out. Station 4 of the way out for flows without a rule.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.h"
#include "base/inner.h"
#include "base/time.h"
#include "sched/rule_paths.h"

namespace wanbond {

/// What has been copied.
struct CopyCounters {
  std::uint64_t packets = 0, bytes = 0;
};

/// Copies take 1 % of what is sent, or 1000 bytes a second while that is more; 32 KB are saved up.
class SpareCopies {
 public:
  /// SYN and SYN/ACK, DNS, and the first two packets of any other UDP flow, up to 1500 bytes each.
  /// Not pure acknowledgements: the next one says the same. `uses`: packets of the flow, with this.
  static bool is_wanted(const InnerPacket& inner, std::uint32_t uses) noexcept {
    if (inner.total_bytes > kPacketBytesMax) return false;
    if (inner.is_tcp()) return (inner.tcp_flags & kTcpSyn) != 0;
    return inner.is_udp() && (uses <= kFirstPackets || inner.source_port == kDnsPort ||
                              inner.destination_port == kDnsPort);
  }
  /// All that the peer has. To be called on every change.
  void update(std::span<const RulePath> paths) noexcept;
  /// So much was sent, copies not counted.
  void on_sent(std::uint64_t bytes) noexcept { sent_ += static_cast<std::int64_t>(bytes); }
  /// The path for a copy of `bytes`, headers of the tunnel among them, of what goes over `usual`:
  /// by another WAN, as preferred as the best, with the least delay. None: there is none, or the
  /// share of copies is spent.
  std::optional<PathId> take(Time now, PathId usual, std::uint32_t bytes) noexcept;
  const CopyCounters& counters() const noexcept { return counters_; }

 private:
  void earn(Time now) noexcept;

  static constexpr std::uint32_t kPacketBytesMax = 1500;
  static constexpr std::uint32_t kFirstPackets = 2;
  static constexpr std::uint16_t kDnsPort = 53;
  static constexpr std::int64_t kShare = 100;  // a copied byte for so many that are sent
  static constexpr std::int64_t kSavedMax = 32'000 * kShare;

  std::array<RulePath, kPathCountMax> usable_{};  // now, of the best rank
  std::size_t count_ = 0;
  std::int64_t saved_ = kSavedMax;  // sent bytes that no copy was made for
  std::int64_t sent_ = 0;           // since then
  Time earned_at_{};
  CopyCounters counters_;
};

}  // namespace wanbond
