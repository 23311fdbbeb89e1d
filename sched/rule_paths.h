// RulePaths: which path or paths the flows of a rule take now. One for each rule and peer; station
// 4 of the way out for flows that do not take all paths (scheduling 5.12).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fixed.h"
#include "base/ids.h"
#include "base/time.h"
#include "sched/failover.h"
#include "sched/overflow.h"
#include "sched/rules.h"

namespace wanbond {

/// A path as a rule sees it.
struct RulePath {
  PathView view;
  SocketId wan;
  const PathFill* fill = nullptr;  // for Overflow; null: it is never full
};

/// What it answers holds until the next update(), and costs a few ns. Pinned and LowestDelay leave
/// a path only for a reason (Failover), Handoff a flow's only when it fails or a better rank is
/// there.
class RulePaths {
 public:
  /// `paths`: all that the peer has. To be called on every change and at next_timeout().
  void update(Time now, const FlowRule& rule, std::span<const RulePath> paths) noexcept;
  Time next_timeout() const noexcept { return failover_.next_timeout(); }

  /// The path for a flow whose digest is `digest` and that took `before` (none: it is new). None:
  /// no path is usable, of those that the rule allows.
  std::optional<PathId> choose(const FlowRule& rule, std::uint64_t digest,
                               std::optional<PathId> before) const noexcept;
  /// Overflow: where packets go; choose() asks without moving anything.
  Overflow& overflow() noexcept { return overflow_; }
  /// Duplicate: where further copies go, all over other WANs than choose() and than each other.
  using Copies = FixedVector<PathId, kRuleCopiesMax - 1>;
  const Copies& copies() const noexcept { return copies_; }

  /// One path of each WAN that is as good as the best.
  struct Equal {
    SocketId wan;
    PathId path;
    Duration delay{};
  };
  std::span<const Equal> equals() const noexcept { return {equals_.begin(), equals_.size()}; }
  /// The path is usable now, and of the best rank.
  bool is_among_best(PathId path) const noexcept { return (best_mask_ >> path.value & 1) != 0; }

 private:
  using Candidates = FixedVector<RulePath, kPathCountMax>;
  static Candidates candidates(const FlowRule& rule, std::span<const RulePath> paths) noexcept;
  void note_equals(const Candidates& sorted) noexcept;
  void note_stages(const Candidates& sorted) noexcept;
  void note_copies(const FlowRule& rule, const Candidates& sorted) noexcept;
  std::optional<PathId> choose_hashed(std::uint64_t digest) const noexcept;

  Failover failover_;            // Pinned, LowestDelay
  std::optional<PathId> first_;  // the best of all
  std::uint64_t best_mask_ = 0;  // paths of its usability and rank, by id
  FixedVector<Equal, kPathCountMax> equals_;
  Copies copies_;
  Overflow overflow_;
};
static_assert(kPathCountMax <= 64);

}  // namespace wanbond
