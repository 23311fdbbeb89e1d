#include "sched/look_ahead.h"

#include <algorithm>

#include "base/check.h"

namespace wanbond {

void LookAhead::rebuild(std::span<const PathOutlook> paths) noexcept {
  check(paths.size() <= kBondPathsMax);
  std::array<PathOutlook, kBondPathsMax> sorted{};
  count_ = 0;
  for (const PathOutlook& path : paths) {  // by insertion: there are few
    std::size_t at = count_++;
    for (; at > 0 && sorted[at - 1].arrival > path.arrival; --at) sorted[at] = sorted[at - 1];
    sorted[at] = path;
  }
  if (count_ > 0) slowest_ = sorted[count_ - 1].arrival;
  for (std::size_t i = 0; i < count_; ++i) {
    PathRank& rank = ranks_[i];
    rank = {.path = sorted[i].path, .arrival = sorted[i].arrival};
    rank.allowance = slowest_ - rank.arrival;
    for (std::size_t j = 0; j < i; ++j)
      rank.ahead_bytes += sorted[j].capacity * seconds(rank.arrival - sorted[j].arrival);
  }
}

void LookAhead::prefer(std::uint8_t path) noexcept {
  const auto end = ranks_.begin() + static_cast<std::ptrdiff_t>(count_);
  const auto found =
      std::find_if(ranks_.begin(), end, [path](const PathRank& r) { return r.path == path; });
  if (found == end) return;
  found->ahead_bytes = 0;
  std::rotate(ranks_.begin(), found, found + 1);
}

}  // namespace wanbond
