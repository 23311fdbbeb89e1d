// Policy: what is to become of a flow before any scheduler is asked: dropped, on a path of its own,
// on several at once, or as all others. Station 3 of the way out; decided once per flow.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/control.h"
#include "core/lan_maps.h"
#include "core/subflows.h"
#include "sched/flow.h"
#include "sched/flow_mode.h"
#include "sched/rule_paths.h"
#include "sched/rules.h"
#include "sched/spare_copies.h"
#include "tun/offload.h"

namespace wanbond {

/// Where packets go.
struct Placement {
  enum class Kind : std::uint8_t {
    Default,  // wherever the session sends what nobody asked anything for
    OnPath,   // over `path`, and a copy over each of `copies`
    Drop,
  };
  Kind kind = Kind::Default;
  bool is_repaired = false;    // numbered, put in order, kept until acknowledged
  FlowHold hold{};             // Default: whether its sender is to see a constant round trip
  std::optional<PathId> path;  // OnPath; none: no path is usable for it
  std::span<const PathId> copies;
};

/// A packet that is to be placed.
struct PlacedPacket {
  Flow* flow = nullptr;  // null: there is no place for it; it is decided for each packet anew
  std::uint64_t digest = 0;
  const SuperPacket& super;
  const InnerPacket& named;  // whose addresses, protocol and ports count
};

/// What a rule was asked for, by one session.
struct RuleCounters {
  std::uint64_t flows = 0, packets = 0, bytes = 0;  // packets and bytes that came from the LAN
  RuleCounters& operator+=(const RuleCounters& other) noexcept {
    flows += other.flows;
    packets += other.packets;
    bytes += other.bytes;
    return *this;
  }
};

/// Owned by the session.
class Policy {
 public:
  /// `settings` outlive it.
  explicit Policy(const NodeSettings& settings);

  /// What it answers is good until the next call.
  Placement place(Time now, const PlacedPacket& packet) noexcept;
  /// The same for what is no packet of the flow but is to go its way: changes nothing of it.
  Placement place_along(const PlacedPacket& packet) noexcept;
  /// Tells the peer of our subnets; see LanMaps.
  void add_lan_maps(Time now, const Path& path, ControlPlan& plan) noexcept {
    if (path.is_usable()) lan_maps_.add_to(now, path.id(), path.address().socket, plan);
  }
  /// The peer, whose addresses `allowed` are, tells of its own.
  void on_lan_map(const LanMapFrame& map, std::span<const Prefix> allowed) {
    if (lan_maps_.on_map(map, allowed)) next_ = Time{};
  }
  void on_peer_restarted() noexcept { lan_maps_.on_peer_restarted(); }
  /// So much was sent, copies not counted: a share of it may be copied.
  void on_sent(std::uint64_t bytes) noexcept { spare_copies_.on_sent(bytes); }
  const CopyCounters& spare_copies() const noexcept { return spare_copies_.counters(); }
  /// MPTCP is told by what comes from the peer, too.
  Subflows& subflows() noexcept { return subflows_; }
  /// What place() would answer for the first packet of a flow; asks and counts nothing.
  struct Answer {
    std::optional<RuleId> rule;
    Placement placement;  // Default: nothing is asked for it
  };
  Answer explain(std::uint64_t digest, const InnerPacket& inner,
                 std::uint32_t bytes) const noexcept;
  /// Paths may have changed. To be called after every input. `busy`: those, by id, that the bond
  /// finds at their limit.
  void update(Time now, const Control& control, std::uint64_t busy) noexcept;
  Time next_timeout() const noexcept { return next_; }

  /// As the rules.
  std::span<const RuleCounters> counters() const noexcept { return counters_; }

 private:
  using Paths = FixedVector<RulePath, kPathCountMax>;
  std::optional<RuleId> rule_of(const PlacedPacket& packet) noexcept;
  Placement place_by(const FlowRule& rule, const RulePaths& paths, std::uint64_t digest,
                     std::optional<PathId> before) const noexcept;
  Placement place_unruled(Time now, const PlacedPacket& packet) noexcept;
  void count(RuleId rule, const SuperPacket& super) noexcept;
  const RulePath* find(FlowCare care, PathId path) const noexcept;
  void hand_over(Time now, const FlowRule& rule, Flow& flow, Placement& placement) noexcept;
  void add_spare_copy(Time now, const PlacedPacket& packet, Placement& placement) noexcept;
  bool may_copy(Time now, const SuperPacket& super) noexcept;
  void update_rules(Time now) noexcept;
  void note_fill(Time now, const Control& control, std::uint64_t busy) noexcept;
  const PathFill* fill_of(PathId path) const noexcept {
    return fills_.empty() ? nullptr : &fills_[path.value];
  }

  const std::vector<FlowRule>& rules_;
  LanMaps lan_maps_;
  Subflows subflows_;
  std::vector<RulePaths> paths_of_;  // as rules_
  std::vector<RuleCounters> counters_;
  std::array<Paths, 2> paths_;   // by FlowCare, as last seen
  std::vector<PathFill> fills_;  // by PathId; empty: no rule asks
  SpareCopies spare_copies_;
  std::array<std::optional<PathId>, 2> usual_;  // by FlowCare: the path of what nobody asked for
  PathId spare_{};                              // of the present packet
  Time next_ = kNever;
  Time copies_paid_{};  // what was copied would have taken until then, at the rate for copies
};

}  // namespace wanbond
