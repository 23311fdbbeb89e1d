#include "sched/spare_copies.h"

#include <algorithm>

namespace wanbond {

void SpareCopies::update(std::span<const RulePath> paths) noexcept {
  count_ = 0;
  unsigned rank = ~0U;
  for (const RulePath& path : paths)
    if (path.view.usability == Usability::Usable) rank = std::min(rank, path.view.rank);
  for (const RulePath& path : paths)
    if (path.view.usability == Usability::Usable && path.view.rank == rank)
      usable_[count_++] = path;  // as many as there are paths
}

/// What was sent since the last time, but no less than 100 bytes for each millisecond: those pay
/// for one byte of a copy.
void SpareCopies::earn(Time now) noexcept {
  const std::int64_t idle = std::min((now - earned_at_) / 1ms, kSavedMax);
  if (idle == 0) return;
  saved_ = std::min(saved_ + std::max(sent_, idle * kShare), kSavedMax);
  sent_ = 0;
  earned_at_ = now;
}

std::optional<PathId> SpareCopies::take(Time now, PathId usual, std::uint32_t bytes) noexcept {
  const std::span usable(usable_.begin(), count_);
  const auto own = std::find_if(usable.begin(), usable.end(),
                                [&](const RulePath& path) { return path.view.id == usual; });
  if (own == usable.end()) return {};
  const RulePath* other = nullptr;
  for (const RulePath& path : usable)
    if (path.wan != own->wan && (other == nullptr || path.view.delay < other->view.delay))
      other = &path;
  if (other == nullptr) return {};
  earn(now);
  const std::int64_t price = std::int64_t{bytes} * kShare;
  if (saved_ < price) return {};
  saved_ -= price;
  ++counters_.packets;
  counters_.bytes += bytes;
  return other->view.id;
}

}  // namespace wanbond
