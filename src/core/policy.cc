#include "core/policy.h"

#include <algorithm>

#include "proto/limits.h"

namespace wanbond {
namespace {

// Copies of one session take 5 Mbit/s at most, 100 ms of it at once (scheduling 5.12).
constexpr Duration::rep kCopyNsPerByte = 1'600;
constexpr Duration kCopyBurst = 100ms;

/// Flows that are repaired need not keep away from a path that has flapped.
FlowCare care_of(const FlowRule& rule) noexcept {
  const bool is_kept_in_order = rule.mode == RuleMode::Pinned || rule.mode == RuleMode::Hash ||
                                rule.mode == RuleMode::Overflow;
  return rule.repair == RuleRepair::Yes || (is_kept_in_order && rule.repair == RuleRepair::ByMode)
             ? FlowCare::Repaired
             : FlowCare::Plain;
}

bool is_same(const RulePath& a, const RulePath& b) noexcept {
  return a.view.id == b.view.id && a.view.usability == b.view.usability &&
         a.view.rank == b.view.rank && a.view.delay == b.view.delay && a.wan == b.wan;
}

}  // namespace

Policy::Policy(const NodeSettings& settings)
    : rules_(settings.rules),
      lan_maps_(settings.lans),
      paths_of_(rules_.size()),
      counters_(rules_.size()) {
  const auto overflows = [](const FlowRule& rule) { return rule.mode == RuleMode::Overflow; };
  if (std::any_of(rules_.begin(), rules_.end(), overflows)) fills_.resize(kPathCountMax);
}

std::optional<RuleId> Policy::rule_of(const PlacedPacket& packet) noexcept {
  FlowPlacement* known = packet.flow == nullptr ? nullptr : &packet.flow->placement();
  if (known != nullptr && known->is_decided) return known->rule;
  const auto bytes = static_cast<std::uint32_t>(packet.super.segment_bytes_max());
  const auto rule = find_rule(rules_, packet.named, bytes);
  if (rule) ++counters_[rule->value].flows;
  if (known == nullptr) return rule;
  known->is_decided = true;  // where the peer has put a subflow stays known
  known->rule = rule;
  return rule;
}

void Policy::count(RuleId rule, const SuperPacket& super) noexcept {
  counters_[rule.value] += {.packets = super.segment_count(), .bytes = super.packet().size()};
}

/// Copies are for what is small and dear: a bulk flow would fill the second WAN as well.
bool Policy::may_copy(Time now, const SuperPacket& super) noexcept {
  const auto cost = Duration(super.packet().size() * kCopyNsPerByte);
  const Time paid = std::max(copies_paid_, now) + cost;
  if (paid - now > kCopyBurst) return false;
  copies_paid_ = paid;
  return true;
}

/// A mapped subnet has its WAN, MPTCP shares no path with its other subflows; all else goes where
/// the session sends it.
Placement Policy::place_unruled(Time now, const PlacedPacket& packet) noexcept {
  const auto& [flow, digest, super, named] = packet;
  Placement placement{.is_repaired = named.goes_with_tcp(), .path = {}, .copies = {}};
  const InnerPacket& inner = super.inner();
  if (!lan_maps_.is_empty()) placement.path = lan_maps_.place(named.source, named.destination);
  if (!placement.path && flow != nullptr)
    placement.path = inner.is_tcp() ? subflows_.place(now, *flow, digest, super.packet(), inner)
                                    : subflows_.path_of(*flow);
  if (placement.path) placement.kind = Placement::Kind::OnPath;
  if (flow != nullptr && SpareCopies::is_wanted(inner, flow->uses()))
    add_spare_copy(now, packet, placement);
  return placement;
}

/// Not of a mapped subnet, which is to stay on its WAN; nor of the first packet of a subflow, since
/// the peer takes the path by which that comes for its home.
void Policy::add_spare_copy(Time now, const PlacedPacket& packet, Placement& placement) noexcept {
  const InnerPacket& inner = packet.super.inner();
  const bool is_answer = inner.is_tcp() && (inner.tcp_flags & kTcpAck) != 0;
  if (placement.path && (!is_answer || !lan_maps_.is_empty())) return;
  const FlowCare care = placement.is_repaired ? FlowCare::Repaired : FlowCare::Plain;
  const auto usual = placement.path ? placement.path : usual_[static_cast<std::size_t>(care)];
  constexpr std::uint32_t kAround = 28 + kDataOverheadBytes;
  if (!usual || packet.super.segment_count() > 1) return;
  const auto spare = spare_copies_.take(now, *usual, inner.total_bytes + kAround);
  if (!spare) return;
  spare_ = *spare;
  placement.kind = Placement::Kind::OnPath;
  placement.path = usual;
  placement.copies = {&spare_, 1};
}

Placement Policy::place(Time now, const PlacedPacket& packet) noexcept {
  const auto& [flow, digest, super, named] = packet;
  const auto id = rules_.empty() ? std::nullopt : rule_of(packet);
  if (!id) return place_unruled(now, packet);
  const FlowRule& rule = rules_[id->value];
  count(*id, super);
  const auto before = flow == nullptr ? std::nullopt : flow->placement().path;
  Placement placement = place_by(rule, paths_of_[id->value], digest, before);
  if (rule.mode == RuleMode::Overflow)
    placement.path =
        paths_of_[id->value].overflow().take(now, {digest, super.packet().size(), before});
  placement.is_repaired = rule.repairs(named.goes_with_tcp());
  if (!placement.copies.empty() && !may_copy(now, super)) placement.copies = {};
  if (rule.mode == RuleMode::Handoff && flow != nullptr && !placement.is_repaired)
    hand_over(now, rule, *flow, placement);
  if (flow != nullptr) flow->placement().path = placement.path;
  return placement;
}

const RulePath* Policy::find(FlowCare care, PathId path) const noexcept {
  const Paths& paths = paths_[static_cast<std::size_t>(care)];
  const auto* found = std::find_if(paths.begin(), paths.end(),
                                   [&](const RulePath& one) { return one.view.id == path; });
  return found == paths.end() ? nullptr : found;
}

/// A path that fails is left at once, one that works only so that nobody sees it.
void Policy::hand_over(Time now, const FlowRule& rule, Flow& flow, Placement& placement) noexcept {
  FlowPlacement& known = flow.placement();
  if (known.path == placement.path) {
    known.handoff.goes_at.reset();
  } else if (known.path && placement.path) {
    const RulePath* from = find(care_of(rule), *known.path);
    const RulePath* to = find(care_of(rule), *placement.path);
    if (from != nullptr && to != nullptr && from->view.usability >= Usability::Held &&
        hand_off(now, flow.gap(), from->view.delay - to->view.delay, known.handoff) ==
            HandoffStep::Stay)
      placement.path = known.path;
  }
  placement.is_repaired = is_handed_off(now, known.handoff);
}

Placement Policy::place_along(const PlacedPacket& packet) noexcept {
  const auto& [flow, digest, super, named] = packet;
  const FlowPlacement known = flow == nullptr ? FlowPlacement{} : flow->placement();
  const auto bytes = static_cast<std::uint32_t>(super.segment_bytes_max());
  const auto id = known.is_decided ? known.rule : find_rule(rules_, named, bytes);
  Placement placement{.path = {}, .copies = {}};
  if (id) {
    count(*id, super);
    placement = place_by(rules_[id->value], paths_of_[id->value], digest, known.path);
    placement.copies = {};
    placement.is_repaired = rules_[id->value].repairs(named.goes_with_tcp());
    return placement;
  }
  placement.is_repaired = named.goes_with_tcp();
  placement.path = lan_maps_.place(named.source, named.destination);
  if (!placement.path && flow != nullptr) placement.path = subflows_.path_of(*flow);
  if (placement.path) placement.kind = Placement::Kind::OnPath;
  return placement;
}

Placement Policy::place_by(const FlowRule& rule, const RulePaths& paths, std::uint64_t digest,
                           std::optional<PathId> before) const noexcept {
  Placement placement{.path = {}, .copies = {}};
  if (rule.mode == RuleMode::Smooth) placement.hold = FlowHold::Yes;
  // What was to bypass the tunnel and came nonetheless had no WAN left: it goes as others do.
  const bool is_default = rule.mode == RuleMode::Aggregate || rule.mode == RuleMode::Smooth ||
                          rule.mode == RuleMode::Bypass;
  if (is_default) return placement;
  placement.kind = rule.mode == RuleMode::Drop ? Placement::Kind::Drop : Placement::Kind::OnPath;
  placement.path = paths.choose(rule, digest, before);
  placement.copies = {paths.copies().begin(), paths.copies().size()};
  return placement;
}

Policy::Answer Policy::explain(std::uint64_t digest, const InnerPacket& inner,
                               std::uint32_t bytes) const noexcept {
  Answer answer{.rule = find_rule(rules_, inner, bytes), .placement = {.path = {}, .copies = {}}};
  if (answer.rule) {
    const std::size_t i = answer.rule->value;
    answer.placement = place_by(rules_[i], paths_of_[i], digest, std::nullopt);
    return answer;
  }
  answer.placement.path = lan_maps_.place(inner.source, inner.destination);
  if (answer.placement.path) answer.placement.kind = Placement::Kind::OnPath;
  return answer;
}

void Policy::note_fill(Time now, const Control& control, std::uint64_t busy) noexcept {
  for (const auto& path : control.paths()) {
    const bool is_busy = (busy >> path->id().value & 1) != 0;
    fills_[path->id().value].update(now, {.sent_bytes = path->counters().tx_bytes,
                                          .has_queue = is_busy || path->is_queued(),
                                          .delivered = path->sent().rate(),
                                          .loss_ppm = path->sent().loss_ppm()});
  }
}

void Policy::update(Time now, const Control& control, std::uint64_t busy) noexcept {
  if (!fills_.empty()) note_fill(now, control, busy);
  bool is_news = now >= next_;
  for (const FlowCare care : {FlowCare::Repaired, FlowCare::Plain}) {
    const Path* usual = control.selected(care);
    usual_[static_cast<std::size_t>(care)] =
        usual == nullptr ? std::nullopt : std::optional(usual->id());
    Paths views;
    for (const auto& path : control.paths())
      (void)views.push(  // as many as paths
          {path->view(now, care), path->address().socket, fill_of(path->id())});
    Paths& known = paths_[static_cast<std::size_t>(care)];
    if (std::equal(views.begin(), views.end(), known.begin(), known.end(), is_same)) continue;
    known = views;
    is_news = true;
  }
  if (!is_news) return;
  lan_maps_.update(now, paths_[static_cast<std::size_t>(FlowCare::Repaired)]);
  subflows_.update(now, paths_[static_cast<std::size_t>(FlowCare::Repaired)]);
  spare_copies_.update(paths_[static_cast<std::size_t>(FlowCare::Plain)]);
  update_rules(now);
}

void Policy::update_rules(Time now) noexcept {
  next_ = lan_maps_.next_timeout();
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    paths_of_[i].update(now, rules_[i], paths_[static_cast<std::size_t>(care_of(rules_[i]))]);
    next_ = std::min(next_, paths_of_[i].next_timeout());
  }
}

}  // namespace wanbond
