// LookAhead: the order of the paths by the time at which a packet sent now would arrive, and how
// deep in a flow's queue each may take packets, so that they arrive in order (scheduling 5.6). Made
// anew with each report, read for each packet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/time.h"
#include "sched/bond_queue.h"
#include "sched/units.h"

namespace wanbond {

/// What is known of a usable path.
struct PathOutlook {
  std::uint8_t path = 0;
  Duration arrival{};  // D: delay of a packet sent now, with the offset of the clocks
  BytesPerSecond capacity = 0;
};

/// One usable path, ready for use.
struct PathRank {
  std::uint8_t path = 0;
  Duration arrival{};
  double ahead_bytes = 0;  // X, for all flows together
  Duration allowance{};    // sojourn over this path that look-ahead accounts for
};

/// X_p = sum over paths j with D_j < D_p of C_j (D_p - D_j): what the faster paths deliver while a
/// packet of p is under way.
class LookAhead {
 public:
  /// `paths`: the usable ones in any order, at most kBondPathsMax.
  void rebuild(std::span<const PathOutlook> paths) noexcept;
  /// Puts this path before the others, if it is there: it is as good as the fastest one.
  void prefer(std::uint8_t path) noexcept;
  /// The fastest first.
  std::span<const PathRank> ranks() const noexcept { return {ranks_.data(), count_}; }
  /// D of the slowest path, D_ref; only with a usable path.
  Duration slowest() const noexcept { return slowest_; }

 private:
  std::array<PathRank, kBondPathsMax> ranks_{};
  std::size_t count_ = 0;
  Duration slowest_{};
};

}  // namespace wanbond
