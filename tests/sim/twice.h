// twice(): runs a scenario two times from one seed; both must have the same trace. Everything that
// a scenario leaves to chance comes from its World, so a difference means hidden state.
#pragma once

#include <functional>

#include "tests/sim/world.h"

namespace wanbond::sim {

/// The seed of this run: WANBOND_SEED of the environment, or 1.
std::uint64_t scenario_seed();

/// Runs `scenario` twice in fresh Worlds with scenario_seed(); doctest prints the seed with every
/// failure inside. With WANBOND_TRACE in the environment the first run writes every datagram and
/// event to standard error.
void twice(const std::function<void(World&)>& scenario);

}  // namespace wanbond::sim
