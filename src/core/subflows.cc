#include "core/subflows.h"

#include <algorithm>

namespace wanbond {
namespace {

// How long after a SYN its third packet, or the first data instead of it, may come from the peer.
constexpr Duration kHandshakeSpan = 3s;

/// A subflow whose connection is not known, or that has none, goes to any path by chance.
const FlowRule kAlone{.name = "", .match = {}, .mode = RuleMode::Hash, .wans = {}};

std::uint32_t number_of(const Flow& flow) noexcept { return flow.stream(FlowTrack::Data); }

bool is_asked(const Flow& flow) noexcept {
  return flow.kind() == FlowKind::Mptcp || flow.mptcp().stage == MptcpStage::CapableAsked;
}

bool is_syn(const InnerPacket& inner) noexcept { return (inner.tcp_flags & kTcpSyn) != 0; }

}  // namespace

void Subflows::update(Time now, std::span<const RulePath> paths) noexcept {
  paths_.update(now, kAlone, paths);
  choices_.clear();
  for (const RulePaths::Equal& equal : paths_.equals())
    (void)choices_.push({.id = equal.path, .rank = 0, .delay = equal.delay});  // as many as paths
}

bool Subflows::is_worth(Time now, const InnerPacket& inner) const noexcept {
  if (is_syn(inner)) return true;
  if (inner.l4_header_bytes == kTcpHeaderBytes) return false;  // no options
  return inner.payload_bytes() == 0 || now < handshakes_until_;
}

bool Subflows::begins(const InnerPacket& inner, const MptcpOptions& options) noexcept {
  const bool is_first = is_syn(inner) && (inner.tcp_flags & kTcpAck) == 0;
  return is_first && (options.capable || options.join);
}

/// Keeps the groups true to what is known of the flow.
void Subflows::watch(Time now, Flow& flow, const InnerPacket& inner,
                     const MptcpOptions& options) noexcept {
  const MptcpState before = flow.mptcp();
  FlowPlacement& placement = flow.placement();
  if (is_syn(inner) && options.any()) handshakes_until_ = now + kHandshakeSpan;
  (void)watch_.on_packet(now, flow, inner, options);
  const MptcpState& after = flow.mptcp();
  const bool has_left = placement.is_grouped && before.connection != after.connection;
  const bool has_turned = placement.is_grouped && before.role != after.role;
  if (!has_left && !has_turned) return;
  if (before.connection) groups_.remove(*before.connection, number_of(flow));
  placement.is_grouped = false;
  if (has_turned) placement.home = placement.path = std::nullopt;  // a backup has another place
}

void Subflows::on_arrival(Time now, Flow& flow, const InnerPacket& inner,
                          const MptcpOptions& options, std::optional<PathId> arrived_on) noexcept {
  watch(now, flow, inner, options);
  // The peer has chosen this path for it: a failure of a WAN then hits one subflow, not two.
  if (begins(inner, options)) flow.placement().home = arrived_on;
}

/// Where a flow goes that is not to stay where it is.
std::optional<PathId> Subflows::choose(const Flow& flow, std::uint64_t digest) const noexcept {
  if (choices_.empty()) return {};
  if (flow.mptcp().connection)
    return groups_.choose(*flow.mptcp().connection, std::span(choices_.begin(), choices_.size()),
                          flow.mptcp().role);
  if (flow.mptcp().stage == MptcpStage::CapableAsked ||
      flow.mptcp().stage == MptcpStage::KeysAwaited)
    return std::min_element(
               choices_.begin(), choices_.end(),
               [](const SubflowPath& a, const SubflowPath& b) { return a.delay < b.delay; })
        ->id;
  return paths_.choose(kAlone, digest, std::nullopt);
}

/// Counts the flow with its connection. A first subflow counts once both keys are known: whoever
/// only asks and is answered, a flood, holds nothing for long.
void Subflows::settle(Time now, Flow& flow, PathId path) noexcept {
  FlowPlacement& placement = flow.placement();
  const auto& connection = flow.mptcp().connection;
  const bool is_moved = placement.path != path;
  placement.path = path;
  if (!connection || flow.is_closed()) return;
  if (placement.is_grouped && !is_moved) return groups_.touch(now, *connection);
  if (flow.mptcp().stage == MptcpStage::KeysAwaited && !groups_.keys(*connection)[0]) return;
  placement.is_grouped = groups_.place(now, *connection, number_of(flow), path);
}

std::optional<PathId> Subflows::path_of(const Flow& flow) const noexcept {
  if (!is_asked(flow)) return {};
  for (const auto& path : {flow.placement().home, flow.placement().path})
    if (path && paths_.is_among_best(*path)) return path;
  return {};
}

std::optional<PathId> Subflows::place(Time now, Flow& flow, std::uint64_t digest, Bytes packet,
                                      const InnerPacket& inner) noexcept {
  if (SubflowWatch::is_worth(flow, inner)) watch(now, flow, inner, parse_mptcp(packet, inner));
  if (!is_asked(flow)) return {};
  FlowPlacement& placement = flow.placement();
  std::optional<PathId> path = path_of(flow);
  if (!path) path = choose(flow, digest);
  if (!path) return {};
  if (!placement.home) placement.home = path;
  settle(now, flow, *path);
  if (placement.is_grouped && (inner.tcp_flags & (kTcpFin | kTcpRst)) != 0) {
    groups_.remove(*flow.mptcp().connection, number_of(flow));
    placement.is_grouped = false;
  }
  return path;
}

}  // namespace wanbond
