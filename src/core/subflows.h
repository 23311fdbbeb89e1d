// Subflows: which path each MPTCP subflow takes: those of one connection different ones, both
// directions the same, elsewhere only while theirs is not usable (mptcp.md 2.5, RFC 8684 1).
// Stations 3 and 4 of the way out for MPTCP.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/subflow_watch.h"
#include "sched/flow.h"
#include "sched/rule_paths.h"
#include "sched/subflow.h"

namespace wanbond {

/// Owned by the session's Policy.
class Subflows {
 public:
  Subflows() noexcept = default;
  Subflows(const Subflows&) = delete;
  Subflows& operator=(const Subflows&) = delete;

  /// A TCP packet of `flow` from the LAN. None: its flow is not, or not yet, MPTCP.
  std::optional<PathId> place(Time now, Flow& flow, std::uint64_t digest, Bytes packet,
                              const InnerPacket& inner) noexcept;
  /// Where its packets go now; for what goes with it and is none. None also: it is no MPTCP.
  std::optional<PathId> path_of(const Flow& flow) const noexcept;
  /// Whether a TCP packet from the peer may tell something; cheap.
  bool is_worth(Time now, const InnerPacket& inner) const noexcept;
  /// Whether it may be the first of a flow that is to be known.
  static bool begins(const InnerPacket& inner, const MptcpOptions& options) noexcept;
  /// One that is, of `flow`, whose own direction is the other one. `arrived_on`: its path.
  void on_arrival(Time now, Flow& flow, const InnerPacket& inner, const MptcpOptions& options,
                  std::optional<PathId> arrived_on) noexcept;
  /// As RulePaths: paths have changed, or it is due.
  void update(Time now, std::span<const RulePath> paths) noexcept;
  /// Connections that are known.
  std::size_t connection_count(Time now) const noexcept { return groups_.connection_count(now); }

 private:
  void watch(Time now, Flow& flow, const InnerPacket& inner, const MptcpOptions& options) noexcept;
  std::optional<PathId> choose(const Flow& flow, std::uint64_t digest) const noexcept;
  void settle(Time now, Flow& flow, PathId path) noexcept;

  SubflowGroups groups_;
  SubflowWatch watch_{groups_};
  RulePaths paths_;
  FixedVector<SubflowPath, kPathCountMax> choices_;  // one of each WAN of the best rank
  Time handshakes_until_{};  // data of the peer may tell something until then
};

}  // namespace wanbond
