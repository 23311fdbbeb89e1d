#include "sched/failover.h"

#include <algorithm>
#include <tuple>

namespace wanbond {
namespace {

constexpr Duration kMarginMin = 3ms;

const PathView* find(std::span<const PathView> paths, std::optional<PathId> id) noexcept {
  if (!id) return nullptr;
  const auto found =
      std::find_if(paths.begin(), paths.end(), [&](const PathView& p) { return p.id == *id; });
  return found == paths.end() ? nullptr : &*found;
}

/// The best of the most trustworthy class that has any; null when all are Never.
const PathView* best_of(std::span<const PathView> paths) noexcept {
  const PathView* best = nullptr;
  const auto order = [](const PathView& p) {
    return std::tuple(-static_cast<int>(p.usability), p.rank, p.delay, p.id);
  };
  for (const PathView& path : paths) {
    if (path.usability == Usability::Never) continue;
    if (best == nullptr || order(path) < order(*best)) best = &path;
  }
  return best;
}

bool is_clearly_faster(const PathView& a, const PathView& than) noexcept {
  return a.delay + std::max(kMarginMin, than.delay / 8) < than.delay;
}

}  // namespace

Move Failover::move_to(std::optional<PathId> path, MoveReason reason) noexcept {
  if (path && path == failed_from_) {
    reason = MoveReason::Revert;
    failed_from_.reset();
  }
  if (reason == MoveReason::Failover && !failed_from_) failed_from_ = selected_;
  selected_ = path;
  challenger_.reset();
  return {path, reason};
}

std::optional<Move> Failover::update(Time now, std::span<const PathView> paths) noexcept {
  const PathView* best = best_of(paths);
  const PathView* current = find(paths, selected_);
  const bool lost = current == nullptr || current->usability == Usability::Never;
  if (best == nullptr || lost) {
    challenger_.reset();
    if (best == nullptr && !selected_) return {};
    const MoveReason reason = selected_ ? MoveReason::Failover : MoveReason::First;
    return move_to(best == nullptr ? std::nullopt : std::optional(best->id), reason);
  }
  if (best == current) {
    challenger_.reset();
    return {};
  }
  if (best->usability > current->usability) return move_to(best->id, MoveReason::Failover);
  if (best->rank == current->rank && !is_clearly_faster(*best, *current)) {
    challenger_.reset();
    return {};
  }
  if (challenger_ != best->id) {
    challenger_ = best->id;
    challenger_since_ = now;
  }
  if (now - challenger_since_ < kPatience) return {};
  return move_to(best->id, MoveReason::LessDelay);
}

}  // namespace wanbond
