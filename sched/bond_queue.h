// BondQueue: the one standing queue of the bond, fair between flows, from which paths take packets
// by look-ahead: a longer path takes them from deeper in a flow (scheduling 5.6, 5.7). Station 4 of
// the way out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "sched/codel.h"

namespace wanbond {

/// Paths that a Bond schedules over.
inline constexpr std::size_t kBondPathsMax = 8;
using BondPathMask = std::uint8_t;

/// The segments of one super packet, or some of them in a row.
struct SegmentRun {
  std::uint32_t packet = 0;  // the caller's number of the super packet
  std::uint16_t first = 0;   // segment within it
  std::uint16_t count = 1;
  std::uint16_t segment_bytes = 0;  // of each
  std::uint16_t last_bytes = 0;     // of the last one, when it is shorter

  std::uint32_t bytes() const noexcept {
    return static_cast<std::uint32_t>(count - 1) * segment_bytes + last_bytes;
  }
};

/// Whether the inner packets can be marked instead of dropped (ECT of RFC 3168).
enum class EcnCapable : std::uint8_t { No, Yes };

/// A path that would take something now.
struct PathOffer {
  std::uint8_t path = 0;
  double ahead_bytes = 0;     // what must lie before it, in all flows together; 0: nothing
  std::uint32_t quantum = 0;  // bytes it takes at once; at least one segment goes
  Duration allowance{};       // sojourn that look-ahead over this path accounts for
};

/// How a flow is treated whose packets are evened out elsewhere.
struct LevelFlow {
  BondPathMask paths = 0;    // on these it needs nothing ahead
  Duration allowance_max{};  // of any path
  CodelSettings codel;
};

/// What happens to a run that was taken.
enum class QueueVerdict : std::uint8_t {
  Send,
  Mark,  // set CE
  Void,  // drop it and tell its numbers as void
};

struct TakenRun {
  SegmentRun run;
  std::uint8_t path = 0;
  QueueVerdict verdict = QueueVerdict::Send;
  std::uint16_t flow = 0;
  Duration sojourn{};
};

/// Flows are buckets that the caller picks: 0 to kFlowsMax - 1 may use all paths, those behind them
/// are pinned to one. Deficit round robin with priority for flows that begin (RFC 8290 4.1), Codel
/// for each flow. Promise: no more bytes than the limit, of which one flow may fill two thirds; no
/// allocation once grown to its high-water mark.
class BondQueue {
 public:
  static constexpr std::size_t kFlowsMax = 1024;
  static constexpr std::size_t kPinnedMax = 64;  // of each path
  static constexpr std::size_t kRunsMax = 32768;

  /// The bucket of all that is pinned to `path` and has the same `key`. For its next packet: an
  /// empty one may get another key. Keys share one only if all eight that either may have are
  /// taken.
  std::uint16_t pinned(std::uint8_t path, std::uint32_t key) noexcept;
  /// The path that a bucket is pinned to; none: it may use all.
  static constexpr std::optional<std::uint8_t> path_of(std::uint16_t flow) noexcept {
    if (flow < kFlowsMax) return {};
    return static_cast<std::uint8_t>((flow - kFlowsMax) / kPinnedMax);
  }

  BondQueue() noexcept : flows_(kFlowsMax + kBondPathsMax * kPinnedMax) {}

  /// False: refused, the flow has more than its share of the room; nothing was numbered yet.
  [[nodiscard]] bool push(Time now, std::uint16_t flow, const SegmentRun& run,
                          EcnCapable ecn) noexcept;
  /// The next run by flow and path; `offers` by delay, the fastest first. None: no flow has
  /// anything for any of them.
  std::optional<TakenRun> pull(Time now, std::span<const PathOffer> offers) noexcept;

  bool empty() const noexcept { return bytes_ == 0; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  std::uint64_t flow_bytes(std::uint16_t flow) const noexcept { return flows_[flow].bytes; }
  std::size_t backlogged_flows() const noexcept { return active_; }
  /// So many paths take something. Beside what is pinned to one of them, a flow that may use all is
  /// worth as many turns: a connection with a subflow on each has as many, too.
  void set_path_count(std::size_t count) noexcept { path_count_ = count; }
  void set_limit(std::uint64_t bytes) noexcept { limit_bytes_ = bytes; }
  void set_codel(const CodelSettings& settings) noexcept { codel_ = settings; }
  /// A flow whose packets are evened out elsewhere, or no longer (no paths).
  void set_level(std::uint16_t flow, const LevelFlow& level) noexcept {
    flows_[flow].level = level;
  }
  /// How what is pinned to a path is treated, and which paths it may use: others than its own while
  /// that takes nothing. At first none.
  void set_pinned(std::uint8_t path, const LevelFlow& level) noexcept { pinned_[path] = level; }

  struct Counters {
    std::uint64_t refused = 0, voided = 0, marked = 0;
  };
  const Counters& counters() const noexcept { return counters_; }

 private:
  static constexpr std::uint16_t kNone = 0xffff;
  static constexpr std::size_t kWays = 8;
  struct Node {
    SegmentRun run;
    Time since{};
    std::uint64_t order = 0;  // position: rises along a flow
    std::uint16_t next = kNone, previous = kNone;
    EcnCapable ecn{};
  };
  /// Where a path stands in a flow: everything before `node` lies ahead of it.
  struct Cursor {
    std::uint16_t node = kNone;  // kNone: at the end
    std::uint64_t ahead_bytes = 0;
  };
  enum class List : std::uint8_t { None, New, Old };
  struct Flow {
    std::uint16_t head = kNone, tail = kNone;
    std::uint64_t bytes = 0;
    std::array<Cursor, kBondPathsMax> cursors{};
    Codel codel;
    std::int32_t deficit = 0;
    List list = List::None;
    std::uint16_t next = kNone, previous = kNone;  // flows in the same list
    LevelFlow level;
  };
  struct FlowList {
    std::uint16_t head = kNone, tail = kNone;
  };
  struct Place {
    std::uint16_t node;
    std::uint16_t offset;  // segments of it that stay
  };

  std::uint16_t make_node() noexcept;
  void free_node(std::uint16_t index) noexcept;
  void link_after(Flow& flow, std::uint16_t after, std::uint16_t index) noexcept;
  void unlink(Flow& flow, std::uint16_t index) noexcept;
  std::optional<Place> seek(std::uint16_t flow, const PathOffer& offer) noexcept;
  std::uint16_t end_turn(std::uint16_t flow, std::int32_t step) noexcept;
  std::uint16_t retire(std::uint16_t flow) noexcept;
  void count_active(std::uint16_t flow, int change) noexcept;
  const LevelFlow& level_of(std::uint16_t flow) const noexcept {
    const auto path = path_of(flow);
    return path ? pinned_[*path] : flows_[flow].level;
  }
  BondPathMask allowed(std::uint16_t flow) const noexcept {
    const auto path = path_of(flow);
    return path ? pinned_[*path].paths : BondPathMask{0xff};
  }
  std::optional<TakenRun> pull_from(Time now, std::uint16_t flow,
                                    std::span<const PathOffer> offers) noexcept;
  TakenRun take(Time now, std::uint16_t flow, Place place, const PathOffer& offer) noexcept;
  SegmentRun cut(Flow& flow, Place place, std::uint16_t count) noexcept;
  QueueVerdict judge(Time now, std::uint16_t flow, const Node& node,
                     const PathOffer& offer) noexcept;
  void enlist(std::uint16_t flow, List list) noexcept;
  void delist(std::uint16_t flow) noexcept;
  FlowList& list_of(List list) noexcept { return list == List::New ? new_ : old_; }

  std::vector<Flow> flows_;
  std::array<LevelFlow, kBondPathsMax> pinned_{};
  std::array<std::uint32_t, kBondPathsMax * kPinnedMax> keys_{};  // who had each bucket last
  std::vector<Node> nodes_;
  std::uint16_t free_head_ = kNone;
  FlowList new_, old_;
  std::size_t active_ = 0, active_pinned_ = 0;
  std::size_t path_count_ = 1;
  std::uint64_t bytes_ = 0;
  std::uint64_t limit_bytes_ = 16 << 20;
  std::uint64_t pushed_ = 0;
  CodelSettings codel_;
  Counters counters_;
};

}  // namespace wanbond
