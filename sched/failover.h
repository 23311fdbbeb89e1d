// Failover: which path all flows of a peer take. The first scheduler: the usable path with the
// least delay; everything moves at once when it fails, and back when it returns.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/ids.h"
#include "base/time.h"

namespace wanbond {

/// How far a path can be trusted with traffic now.
enum class Usability : std::uint8_t {
  Never,       // not validated, or down
  LastResort,  // suspect: only when nothing better is there
  Held,        // up, but it flapped: only when nothing better is there
  Usable
};

/// What Failover sees of a path.
struct PathView {
  PathId id;
  Usability usability{};
  unsigned rank = 0;  // lower is preferred whatever the delay: priority, metered paths last
  Duration delay{};   // without our own queue
};

enum class MoveReason : std::uint8_t { First, Failover, Revert, LessDelay };

struct Move {
  std::optional<PathId> to;  // none: no path is left
  MoveReason reason{};
};

/// Remembers the path in use and moves only for a reason: it became unusable, a better rank is
/// there, or another path has been faster by more than max(3 ms, an eighth) for 100 ms
/// (scheduling 5.12, lowest-delay).
class Failover {
 public:
  /// Call on every change and at next_timeout(); gives a Move only when the path changes.
  std::optional<Move> update(Time now, std::span<const PathView> paths) noexcept;
  std::optional<PathId> selected() const noexcept { return selected_; }
  Time next_timeout() const noexcept {
    return challenger_ ? challenger_since_ + kPatience : kNever;
  }

 private:
  static constexpr Duration kPatience = 100ms;
  Move move_to(std::optional<PathId> path, MoveReason reason) noexcept;

  std::optional<PathId> selected_;
  std::optional<PathId> failed_from_;  // left because it failed; going back is a revert
  std::optional<PathId> challenger_;
  Time challenger_since_{};
};

}  // namespace wanbond
