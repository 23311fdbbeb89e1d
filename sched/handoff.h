// Handoff: how a flow leaves a path that works for a better one so that nobody sees its packets out
// of order. For flows whose packets are not numbered anyway; station 4 of the way out (scheduling
// 5.12, per-flow handoff).
#pragma once

#include <optional>

#include "base/time.h"

namespace wanbond {

/// One flow's change of path; in the flow table.
struct HandoffState {
  std::optional<Time> goes_at;  // none: it does not want to leave
  Time ordered_until{};
};

/// A packet of a flow that wants to leave its path.
enum class HandoffStep : std::uint8_t { Stay, Go };

/// `gap`: since the flow's packet before. `lead`: by how much what goes over the better path
/// overtakes what was sent at the same time over the present one. In a gap that is longer than this
/// the flow goes at once: a flowlet. A flow without such gaps is put in order (is_handed_off) for
/// `lead` and 100 ms, so that the receiver knows its numbers, goes, and is for as long afterwards.
HandoffStep hand_off(Time now, Duration gap, Duration lead, HandoffState& state) noexcept;

/// Whether its packets are to be numbered, kept and put in order now.
inline bool is_handed_off(Time now, const HandoffState& state) noexcept {
  return now < state.ordered_until;
}

}  // namespace wanbond
