// HoldPlan: over which paths a held flow is spread evenly, and the constant round trip that makes
// it so (second page of the scheduling design, 2: set M and RTT_h). One per session.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "base/time.h"
#include "sched/bond_queue.h"
#include "sched/units.h"

namespace wanbond {

/// What is known of an up path.
struct HoldOutlook {
  std::uint8_t path = 0;
  Duration hold{};     // Dh: nearly all packets have arrived after this
  Duration arrival{};  // D, as in PathOutlook
  BytesPerSecond capacity = 0;
  double loss = 0;
};

/// A longer path is worth its delay if the flow gets more done in its first 10 s with it. What a
/// living flow has seen is kept: BBR remembers the shortest round trip for 10 s and would send too
/// little when it grows. So a much longer path has to wait until no held flow lives.
class HoldPlan {
 public:
  /// `reverse`: what a round trip adds to a one-way delay, clocks' offset included.
  void update(Time now, std::span<const HoldOutlook> paths, Duration reverse) noexcept;
  /// A flow begins: until then the set stays as it is, but for paths that must leave, and the round
  /// trip as good as constant.
  void freeze_until(Time time) noexcept {
    frozen_until_ = time;
    frozen_round_trip_ = round_trip_;
  }

  /// A held flow sends: until then no path leaves the set but those that must, and the round trip
  /// is as good as constant while the set is.
  void keep_until(Time time) noexcept { kept_until_ = std::max(kept_until_, time); }

  BondPathMask paths() const noexcept { return paths_; }
  /// RTT_h.
  Duration round_trip() const noexcept { return round_trip_; }
  /// D of the slowest path in the set.
  Duration arrival() const noexcept { return arrival_; }

 private:
  BondPathMask choose(std::span<const HoldOutlook> paths, Duration reverse) const noexcept;
  bool has_any(std::span<const HoldOutlook> paths) const noexcept;
  /// Those that fit into the round trip, or lengthen it little.
  BondPathMask near(std::span<const HoldOutlook> paths, Duration reverse) const noexcept;

  BondPathMask paths_ = 0;
  Duration round_trip_{}, arrival_{};
  Duration frozen_round_trip_{};
  Time frozen_until_{}, kept_until_{};
};

}  // namespace wanbond
