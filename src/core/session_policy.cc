// What a session does with packets of flows that do not go where all others go.
#include <algorithm>
#include <utility>

#include "base/mptcp.h"
#include "core/session.h"
#include "proto/limits.h"

namespace wanbond {

void Session::send_placed(Time now, const Placement& placement, Flow* flow,
                          const SuperPacket& super, Packet packet, Outbox& out) noexcept {
  if (placement.kind == Placement::Kind::Drop)
    return shared_.drops.add(DropReason::Rule, super.segment_count());
  Path* path = placement.path ? control_.find(*placement.path) : nullptr;
  if (path == nullptr) return shared_.drops.add(DropReason::NoPath, super.segment_count());
  const SendPath to{*path, egress_.payload_bytes_max(*path)};
  const std::size_t bytes_max = super.segment_bytes_max() + kDataOverheadBytes;
  if (bytes_max > to.payload_bytes_max) return on_oversized(now, super, to, out);
  const bool is_numbered = placement.is_repaired || !placement.copies.empty();
  if (flow == nullptr || !is_numbered) return on_sent(now, egress_.send(now, super, to, {}, out));
  if (placement.is_repaired && placement.copies.empty())
    return send_repaired(now, *flow, super, std::move(packet), {to, Spread::OnePath}, out);
  const FlowTrack track = track_of(super.inner());
  Marking marking = mark(*flow, track, super.inner());
  if (!placement.is_repaired) {
    marking.flags &= static_cast<std::uint8_t>(~kDataOrdered);
    marking.kept = SentSegment::kPlain;
  }
  const SentCount sent = egress_.send(now, super, to, marking, out);
  marking.kept = SentSegment::kPlain;
  std::uint32_t numbered = sent.segments;
  for (const PathId id : placement.copies) {
    Path* other = control_.find(id);
    if (other == nullptr || bytes_max > egress_.payload_bytes_max(*other)) continue;
    const SendPath also{*other, egress_.payload_bytes_max(*other)};
    numbered = std::max(numbered, egress_.send(now, super, also, marking, out).segments);
  }
  flow->advance(track, numbered);
  if (placement.is_repaired && sent.segments > 0)
    retained_.keep(now, std::move(packet), sent.segments);
  on_sent(now, sent);
}

BulkStage Session::bulk_stage(Time now, Flow& flow, const SuperPacket& super) noexcept {
  const Path* usual = control_.selected(FlowCare::Plain);
  const BulkPath path = usual == nullptr ? BulkPath{} : dispatcher_.bulk_path(*usual);
  return flow.bulk().on_packet(now, static_cast<std::uint32_t>(super.packet().size()), path);
}

FlowExplanation Session::explain(Time now, const InnerPacket& inner, std::uint32_t bytes) const {
  FlowExplanation explanation{.peer = configured_.name, .rule = {}, .paths = {}};
  const auto& [rule, placement] = policy_.explain(digest_(inner), inner, bytes);
  const auto name = [&](PathId id) {
    const Path* path = control_.find(id);
    if (path != nullptr) explanation.paths.push_back(control_.path_name(*path));
  };
  if (rule) {
    explanation.cause = FlowExplanation::Cause::Rule;
    explanation.rule = shared_.settings.rules[rule->value].name;
    explanation.mode = shared_.settings.rules[rule->value].mode;
  }
  if (placement.kind == Placement::Kind::Default) {
    const Path* path = control_.selected(inner.is_tcp() ? FlowCare::Repaired : FlowCare::Plain);
    if (path != nullptr) name(path->id());
    const UseContext context = use_context(now);
    for (const auto& other : control_.paths()) {
      const PathUse use = use_of(*other, context);
      if (!other->is_closed() && use.why != PathUse::Why::Used)
        explanation.unused.push_back({control_.path_name(*other), use});
    }
    return explanation;
  }
  if (!rule) explanation.cause = FlowExplanation::Cause::Lan;
  if (placement.kind == Placement::Kind::Drop) return explanation;
  if (placement.path) name(*placement.path);
  for (const PathId copy : placement.copies) name(copy);
  return explanation;
}

InnerPacket Session::reversed(const InnerPacket& inner) noexcept {
  InnerPacket back = inner;
  std::swap(back.source, back.destination);
  std::swap(back.source_port, back.destination_port);
  return back;
}

bool Session::hold(Time now, const InnerArrival& arrival, std::uint8_t outer_class) noexcept {
  const Bytes packet = arrival.room.subspan(kVirtioHeaderBytes);
  const auto inner = parse_inner(packet);
  if (!inner || !HeldAcks::may_wait(*inner)) return false;
  const Flow* flow = flows_.find(digest_(reversed(*inner)));
  if (flow == nullptr) return false;
  return held_acks_.hold(now, flow->stream(FlowTrack::Data),
                         {.content = arrival.room,
                          .flags = arrival.flags,
                          .note = outer_class,
                          .end = newest_acknowledged(packet, *inner)},
                         dispatcher_.held_round_trip(*flow));
}

/// A flow is known by the packets of its own direction, those to the peer.
bool Session::on_inner(Time now, Bytes packet, const InnerPacket& inner) noexcept {
  if (policy_.subflows().is_worth(now, inner)) watch_subflow(now, packet, inner);
  if (!held_acks_.may_hold(now) || track_of(inner) != FlowTrack::Data) return false;
  const Flow* flow = flows_.find(digest_(reversed(inner)));
  if (flow == nullptr) return false;
  held_acks_.release(now, flow->stream(FlowTrack::Data));
  return true;
}

void Session::watch_subflow(Time now, Bytes packet, const InnerPacket& inner) noexcept {
  const MptcpOptions options = parse_mptcp(packet, inner);
  // Of data only what stands for a lost third packet matters; of a SYN also that it has no option.
  const bool is_data = inner.payload_bytes() > 0;
  const bool is_news = is_data ? options.capable.has_value() : options.any();
  if (!is_news && (inner.tcp_flags & kTcpSyn) == 0) return;
  const std::uint64_t digest = digest_(reversed(inner));
  Flow* flow = Subflows::begins(inner, options) ? flows_.use(now, digest, FlowKind::Tcp)
                                                : flows_.find(digest);
  if (flow != nullptr) policy_.subflows().on_arrival(now, *flow, inner, options, arrived_on_);
}

}  // namespace wanbond
