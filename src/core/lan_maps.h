// LanMaps: which WAN the flows of a LAN subnet take, without a flow table: by the source address on
// the near side, by the destination address on the far side, which LAN_MAP frames tell (protocol
// 1.6, decisions 10). Station 4 of the way out; the frames ride on what a path sends anyway.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/path.h"
#include "core/settings.h"
#include "proto/frames.h"
#include "sched/rule_paths.h"

namespace wanbond {

/// Owned by the session's Policy.
class LanMaps {
 public:
  /// `lans` outlive it.
  explicit LanMaps(const std::vector<LanSettings>& lans);

  /// Nothing is mapped by either end.
  bool is_empty() const noexcept { return near_.empty() && far_.empty(); }
  /// The path for a packet; none: its addresses are in no mapped subnet, or no path is usable.
  std::optional<PathId> place(const IpAddress& source, const IpAddress& destination) const noexcept;
  /// Adds what the peer is to know of a usable path over `wan` to one of its packets, as far as
  /// there is room; again every few seconds, for nothing acknowledges it.
  void add_to(Time now, PathId path, SocketId wan, ControlPlan& plan) noexcept;
  /// The peer, whose addresses `allowed` are, has told. True: something has changed.
  bool on_map(const LanMapFrame& map, std::span<const Prefix> allowed);
  /// The peer is another process: it will tell anew.
  void on_peer_restarted() noexcept { far_.clear(); }
  /// As RulePaths.
  void update(Time now, std::span<const RulePath> paths) noexcept;
  Time next_timeout() const noexcept;

  /// Subnets that a peer may map; more are not heard.
  static constexpr std::size_t kFarMax = kLansMax;

 private:
  /// A subnet of ours.
  struct Near {
    Prefix subnet;
    FlowRule rule;
    RulePaths paths;
  };
  /// A subnet of the peer's, and its paths.
  struct Far {
    Prefix subnet;
    std::uint64_t paths_mask = 0;
    RulePaths paths;
  };
  /// What a path has told.
  struct Told {
    Time next{};
    std::uint16_t done = 0;  // of this round
  };

  std::vector<Near> near_;  // the longest prefix first, as far_
  std::vector<Far> far_;
  std::array<Told, kPathCountMax> told_{};
};

}  // namespace wanbond
