#include "sched/rule_paths.h"

#include <algorithm>
#include <tuple>

namespace wanbond {
namespace {

/// A stranger to the list of a Pinned rule comes behind everybody in it.
constexpr unsigned kUnlistedRank = 1U << 16;

/// A number for (flow, WAN) that looks drawn at random (the finalizer of MurmurHash3).
std::uint64_t lot(std::uint64_t digest, SocketId wan) noexcept {
  std::uint64_t x = digest ^ (wan.value + 1U) * 0x9e3779b97f4a7c15;
  x = (x ^ x >> 33) * 0xff51afd7ed558ccd;
  x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53;
  return x ^ x >> 33;
}

/// The path's rank for this rule; none: it is not allowed.
std::optional<unsigned> rank_for(const FlowRule& rule, const RulePath& path) noexcept {
  if (rule.wans.empty()) return path.view.rank;
  const auto found = std::find(rule.wans.begin(), rule.wans.end(), path.wan);
  const auto place = static_cast<unsigned>(found - rule.wans.begin());
  if (found == rule.wans.end())
    return rule.mode == RuleMode::Pinned ? std::optional(kUnlistedRank + path.view.rank)
                                         : std::nullopt;
  const bool is_ordered = rule.mode == RuleMode::Pinned || rule.mode == RuleMode::Handoff ||
                          rule.mode == RuleMode::Duplicate || rule.mode == RuleMode::Overflow;
  return is_ordered ? place : 0;
}

bool is_better(const RulePath& a, const RulePath& b) noexcept {
  const auto order = [](const PathView& view) {
    return std::tuple(-static_cast<int>(view.usability), view.rank, view.delay, view.id);
  };
  return order(a.view) < order(b.view);
}

}  // namespace

/// What the rule allows now, the best first.
RulePaths::Candidates RulePaths::candidates(const FlowRule& rule,
                                            std::span<const RulePath> paths) noexcept {
  Candidates allowed;
  Duration fastest = Duration::max();
  for (RulePath path : paths) {
    const auto rank = rank_for(rule, path);
    if (path.view.usability == Usability::Never || !rank) continue;
    path.view.rank = *rank;
    if (path.view.usability == Usability::Usable) fastest = std::min(fastest, path.view.delay);
    (void)allowed.push(path);  // as many as there are paths
  }
  Candidates kept;
  for (RulePath path : allowed) {
    const bool is_slow = rule.extra_delay_max && fastest != Duration::max() &&
                         path.view.delay - fastest > *rule.extra_delay_max;
    if (rule.mode == RuleMode::Overflow) path.view.delay = {};  // a change is no reason to move
    if (!is_slow) (void)kept.push(path);
  }
  std::sort(kept.begin(), kept.end(), is_better);
  return kept;
}

void RulePaths::update(Time now, const FlowRule& rule, std::span<const RulePath> paths) noexcept {
  const Candidates sorted = candidates(rule, paths);
  first_ = sorted.empty() ? std::nullopt : std::optional(sorted[0].view.id);
  note_equals(sorted);
  note_copies(rule, sorted);
  if (rule.mode == RuleMode::Overflow) note_stages(sorted);
  FixedVector<PathView, kPathCountMax> views;
  for (const RulePath& path : sorted) (void)views.push(path.view);  // as many as paths
  failover_.update(now, views);
}

void RulePaths::note_equals(const Candidates& sorted) noexcept {
  best_mask_ = 0;
  equals_.clear();
  for (const RulePath& path : sorted) {
    const PathView& best = sorted[0].view;
    if (path.view.usability != best.usability || path.view.rank != best.rank) return;
    best_mask_ |= std::uint64_t{1} << path.view.id.value;
    const auto known = std::find_if(equals_.begin(), equals_.end(),
                                    [&](const Equal& equal) { return equal.wan == path.wan; });
    if (known == equals_.end())
      (void)equals_.push({path.wan, path.view.id, path.view.delay});  // as many as paths
    else if (path.view.id < known->path)                              // whatever the delay does
      *known = {path.wan, path.view.id, path.view.delay};
  }
}

/// Of all ranks, as far as they can be trusted alike.
void RulePaths::note_stages(const Candidates& sorted) noexcept {
  FixedVector<OverflowPath, kPathCountMax> ways;
  for (const RulePath& path : sorted)
    if (path.view.usability == sorted[0].view.usability)
      (void)ways.push({path.wan, path.view.id, path.fill});  // as many as paths
  overflow_.update({ways.begin(), ways.size()});
}

void RulePaths::note_copies(const FlowRule& rule, const Candidates& sorted) noexcept {
  copies_.clear();
  if (rule.mode != RuleMode::Duplicate) return;
  FixedVector<SocketId, kRuleCopiesMax> taken;
  for (const RulePath& path : sorted) {
    if (taken.size() == rule.copies) return;
    if (std::find(taken.begin(), taken.end(), path.wan) != taken.end()) continue;
    if (!taken.empty()) (void)copies_.push(path.view.id);  // no more than kRuleCopiesMax
    (void)taken.push(path.wan);
  }
}

std::optional<PathId> RulePaths::choose(const FlowRule& rule, std::uint64_t digest,
                                        std::optional<PathId> before) const noexcept {
  switch (rule.mode) {
    case RuleMode::Pinned:
    case RuleMode::LowestDelay:
      return failover_.selected();
    case RuleMode::Handoff:
      return before && is_among_best(*before) ? before : first_;
    case RuleMode::Hash:
      return choose_hashed(digest);
    case RuleMode::Overflow:
      return overflow_.choose(before);
    case RuleMode::Duplicate:
      return first_;
    case RuleMode::Aggregate:
    case RuleMode::Smooth:
    case RuleMode::Bypass:
    case RuleMode::Drop:
      break;
  }
  return {};
}

/// The WAN that draws the highest lot: when one fails, only its flows move.
std::optional<PathId> RulePaths::choose_hashed(std::uint64_t digest) const noexcept {
  const Equal* best = nullptr;
  for (const Equal& equal : equals_)
    if (best == nullptr || lot(digest, equal.wan) > lot(digest, best->wan)) best = &equal;
  return best == nullptr ? std::nullopt : std::optional(best->path);
}

}  // namespace wanbond
