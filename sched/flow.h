// FlowTable: the inner flows of one peer, found by a digest of their addresses and ports, and the
// order numbers of their packets. Station 3 of the way out. The digest is the caller's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "base/time.h"
#include "sched/bulk_watch.h"
#include "sched/handoff.h"
#include "sched/rules.h"
#include "sched/subflow.h"

namespace wanbond {

/// What a flow is counted as.
enum class FlowKind : std::uint8_t { Mptcp, Tcp, Udp, Other };
inline constexpr std::size_t kFlowKindCount = 4;

/// How far the handshake of a TCP flow has told what it is.
enum class MptcpStage : std::uint8_t {
  Unknown,       // nothing seen yet
  CapableAsked,  // SYN with MP_CAPABLE: MPTCP if the answer has it, too
  JoinAsked,     // SYN with MP_JOIN: in the connection when both HMACs were right
  KeysAwaited,   // MPTCP, and its connection is known; the caller's key is still to come
  Settled,
};

/// What is known of a TCP flow as a subflow.
struct MptcpState {
  MptcpStage stage{};
  SubflowRole role{};
  std::optional<ConnectionId> connection;
};

/// What was decided for a flow: which rule holds, and where it goes.
struct FlowPlacement {
  bool is_decided = false;
  bool is_grouped = false;  // counted with its MPTCP connection
  std::optional<RuleId> rule;
  std::optional<PathId> path;  // that it took last
  std::optional<PathId> home;  // that it returns to, of MPTCP
  HandoffState handoff;
};

/// A flow has one order for its data and one for its pure acknowledgements, which need not wait
/// for data and are not worth waiting for.
enum class FlowTrack : std::uint8_t { Data, Acks };
inline constexpr std::size_t kFlowTrackCount = 2;

/// One flow. Its numbers go on when another flow takes its place, so that the receiver, which
/// knows streams only, never sees one go back.
class Flow {
 public:
  FlowKind kind() const noexcept { return kind_; }
  /// TCP turned out to be MPTCP, or the other way round.
  void set_kind(FlowKind kind) noexcept { kind_ = kind; }
  /// Only for TCP and MPTCP.
  MptcpState& mptcp() noexcept { return mptcp_; }
  const MptcpState& mptcp() const noexcept { return mptcp_; }
  FlowPlacement& placement() noexcept { return placement_; }
  BulkWatch& bulk() noexcept { return bulk_; }
  const FlowPlacement& placement() const noexcept { return placement_; }
  /// Packets and super packets since it began, the present one among them.
  std::uint32_t uses() const noexcept { return uses_; }
  /// Between the present packet and the one before it; of a new flow any time.
  Duration gap() const noexcept { return gap_; }
  /// Which stream of the wire a track is; never 0.
  std::uint16_t stream(FlowTrack track) const noexcept {
    return static_cast<std::uint16_t>(1 + slot_ * kFlowTrackCount + index(track));
  }
  /// The order number of the next packet; 24 bits count.
  std::uint32_t next(FlowTrack track) const noexcept { return next_[index(track)]; }
  /// `count` packets were numbered.
  void advance(FlowTrack track, std::uint32_t count) noexcept { next_[index(track)] += count; }
  /// Nothing of this track has been acknowledged since the flow began.
  bool is_new(FlowTrack track) const noexcept { return is_new_[index(track)]; }
  /// The flow's last packet is on its way (FIN, RST): its place may be reused soon.
  void close() noexcept { is_closed_ = true; }
  bool is_closed() const noexcept { return is_closed_; }

 private:
  friend class FlowTable;
  static std::size_t index(FlowTrack track) noexcept { return static_cast<std::size_t>(track); }

  Time used_{};
  Duration gap_{};
  std::array<std::uint32_t, kFlowTrackCount> next_{};
  std::uint32_t uses_ = 0;
  std::uint16_t slot_ = 0;
  FlowKind kind_{};
  MptcpState mptcp_{};
  FlowPlacement placement_{};
  BulkWatch bulk_{};
  bool is_closed_ = false;
  std::array<bool, kFlowTrackCount> is_new_{};
};

/// 1024 sets of eight, in chunks that are made when first needed. A place is reused after 2 s
/// without a packet if its flow was closed or short, else after 5 min: a flood of new flows finds
/// no place, but drives no living flow out.
class FlowTable {
 public:
  static constexpr std::size_t kFlowsMax = 8192;
  /// Streams are numbered 1 to this.
  static constexpr std::size_t kStreamsMax = kFlowsMax * kFlowTrackCount;

  /// The flow of this digest, opened if need be, and used now. Null: there is no place for it.
  Flow* use(Time now, std::uint64_t digest, FlowKind kind) noexcept;
  /// The same without opening or using it. Null: it is not known.
  Flow* find(std::uint64_t digest) noexcept;
  /// A packet of this stream has arrived.
  void on_acknowledged(std::uint16_t stream) noexcept;
  /// The peer has forgotten everything: each stream is new to it.
  void on_peer_restarted() noexcept;

  using Counts = std::array<std::size_t, kFlowKindCount>;
  /// Flows that are not closed and were used within the last minute, by kind. Walks the table.
  Counts count(Time now) const noexcept;

 private:
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kSetsPerChunk = 8;
  static constexpr std::size_t kSets = kFlowsMax / kWays;
  struct Set {
    std::array<std::uint64_t, kWays> digests{};
    std::array<Flow, kWays> flows{};
  };
  using Chunk = std::array<Set, kSetsPerChunk>;

  Set& set_of(std::uint64_t digest) noexcept;
  static Flow* find_in(Set& set, std::uint64_t digest) noexcept;
  static Flow* open(Time now, Set& set, std::uint64_t digest, FlowKind kind) noexcept;
  static bool may_replace(Time now, const Flow& flow) noexcept;

  std::array<std::unique_ptr<Chunk>, kSets / kSetsPerChunk> chunks_;
};

}  // namespace wanbond
