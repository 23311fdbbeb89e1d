// Overflow: which WAN the flows of an overflow rule take now: the first of its list, and the next
// ones only while those before them are full. Part of RulePaths (scheduling 5.12, backup group).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fixed.h"
#include "base/ids.h"
#include "base/time.h"
#include "sched/path_fill.h"

namespace wanbond {

/// A path that flows may overflow to; `fill` outlives what is told of it, null: never full.
struct OverflowPath {
  SocketId wan;
  PathId path;
  const PathFill* fill = nullptr;
};

/// New flows go to the first WAN that is not full. While one is full for a second, one flow every
/// two seconds leaves it for the next, but never the one that sends most: alone it would fill any.
/// A flow goes back when a WAN before its own has been calm for 5 s: with all others if they fit,
/// else one every two seconds; a WAN that fills up again makes the next attempt wait twice as long,
/// 60 s at most.
class Overflow {
 public:
  static constexpr std::size_t kWansMax = 8;

  /// `paths`: those that may be used now, the best first; of each WAN the first counts.
  void update(std::span<const OverflowPath> paths) noexcept;
  /// Where a flow goes that took `before` (none: it is new) and does not move. None: no path is
  /// usable.
  std::optional<PathId> choose(std::optional<PathId> before) const noexcept;
  /// One packet, or super packet.
  struct Packet {
    std::uint64_t digest = 0;  // of its flow
    std::size_t bytes = 0;
    std::optional<PathId> before;  // that its flow took
  };
  /// The same for a packet that is sent now: its flow may move.
  std::optional<PathId> take(Time now, const Packet& packet) noexcept;

 private:
  /// Which flow sends most: the majority, if there is one (Boyer and Moore's vote).
  struct Vote {
    std::uint64_t digest = 0;
    std::size_t bytes = 0;
    void count(const Packet& packet) noexcept;
  };
  struct Stage {
    OverflowPath way;
    Vote main;
  };
  std::size_t index_of(std::optional<PathId> path) const noexcept;
  std::size_t first_not_full(std::size_t from) const noexcept;
  std::size_t way_back(Time now, std::size_t from) const noexcept;
  std::size_t way_out(Time now, std::size_t from, std::uint64_t digest) const noexcept;
  void note_return(Time now) noexcept;
  void fade(Time now) noexcept;

  static constexpr Duration kWaitMin = 5s;

  FixedVector<Stage, kWansMax> stages_;
  Duration wait_ = kWaitMin;              // how long a WAN must be calm
  std::optional<Time> moved_, returned_;  // a flow, last: either way, and back
  Time faded_{};
};

}  // namespace wanbond
