#include "sched/handoff.h"

#include <algorithm>

namespace wanbond {
namespace {

// Delays are halves of round trips and jitter: two paths' difference is known no better than this.
constexpr Duration kMargin = 5ms;
// What is under way on the old path arrives, and is sent again if need be, in this time.
constexpr Duration kSettling = 100ms;

}  // namespace

HandoffStep hand_off(Time now, Duration gap, Duration lead, HandoffState& state) noexcept {
  if (gap >= lead + kMargin) {
    state.goes_at.reset();
    return HandoffStep::Go;
  }
  const Duration span = std::max(lead, Duration::zero()) + kSettling;
  if (!state.goes_at) state.goes_at = now + span;
  state.ordered_until = now + span;
  if (now < *state.goes_at) return HandoffStep::Stay;
  state.goes_at.reset();
  return HandoffStep::Go;
}

}  // namespace wanbond
