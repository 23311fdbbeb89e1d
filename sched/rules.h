// Rules: what the user wants of flows, by protocol, ports, addresses, DSCP and packet size. Station
// 3 of the way out, once per flow. The first rule that matches counts (wanbond.conf(5), scheduling
// 5.12).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/inner.h"
#include "base/time.h"

namespace wanbond {

/// How a flow is carried.
enum class RuleMode : std::uint8_t {
  Aggregate,    // as TCP without a rule: in order, repaired, over all paths
  Smooth,       // the same, and its sender sees one round trip, that of the slowest path
  Pinned,       // on the first usable WAN of a list, on another while none of these is
  LowestDelay,  // on the path with the least delay, which may change
  Handoff,      // on one path, which changes only when it fails or a preferred one is back
  Duplicate,    // on several at once; the first copy counts
  Hash,         // on one of them, by chance, for good
  Overflow,     // on the first WAN of a list, on the next while that is full
  Bypass,       // not through the tunnel: the kernel routes it to a WAN before it gets here
  Drop,
};
inline constexpr std::size_t kRuleModeCount = 10;

/// "lowest-delay", as in wanbond.conf(5).
std::string_view to_string(RuleMode mode) noexcept;

/// Numbers from `first` to `last`, both included.
struct ValueRange {
  std::uint32_t first = 0, last = 0;
  bool contains(std::uint32_t value) const noexcept { return first <= value && value <= last; }
};

/// Conditions on one packet. An empty list is none; of a list one must hold, of the lists all.
struct RuleMatch {
  std::vector<std::uint8_t> protocols;
  std::vector<ValueRange> source_ports, destination_ports;  // only TCP and UDP have them
  std::vector<std::uint8_t> dscps;
  std::vector<Prefix> sources, destinations;
  std::vector<ValueRange> sizes;  // of the IP packet, bytes

  /// `bytes`: of the packet, or of the largest segment of a super packet.
  bool holds(const InnerPacket& inner, std::uint32_t bytes) const noexcept;
  /// There is no condition.
  bool is_empty() const noexcept;
};

/// Whether lost packets are sent again and put in order: by the mode and protocol, or as told.
enum class RuleRepair : std::uint8_t { ByMode, Yes, No };

/// One rule.
struct FlowRule {
  std::string name;
  RuleMatch match;
  RuleMode mode = RuleMode::Aggregate;
  unsigned copies = 2;         // Duplicate: how often a packet is sent, 2 to kRuleCopiesMax
  std::vector<SocketId> wans;  // those to use, the best first; empty: all
  std::optional<Duration> extra_delay_max;  // one way, over the fastest of them
  RuleRepair repair = RuleRepair::ByMode;

  /// Whether packets of a flow, TCP or not, are repaired.
  bool repairs(bool is_tcp) const noexcept;
};

inline constexpr unsigned kRuleCopiesMax = 4;
/// Rules of one node.
inline constexpr std::size_t kRulesMax = 64;

/// A rule's place in the list.
using RuleId = StrongId<struct RuleTag, std::uint8_t>;

/// The first rule that holds for a packet.
std::optional<RuleId> find_rule(const std::vector<FlowRule>& rules, const InnerPacket& inner,
                                std::uint32_t bytes) noexcept;

}  // namespace wanbond
