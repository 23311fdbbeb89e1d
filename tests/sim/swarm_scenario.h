// A swarm scenario: two sites, WANs and mishaps, all drawn from one seed.
#pragma once

#include <string>
#include <vector>

#include "tests/sim/world.h"

namespace wanbond::sim {

/// What one run of a drawn scenario gave.
struct SwarmOutcome {
  std::vector<std::string> plan;      // what was drawn, in words
  std::vector<std::string> failures;  // empty: all is well
  std::uint64_t trace_hash = 0;
};

/// Draws sites and 20 s of mishaps from the World's seed, runs them over a flow in each direction,
/// heals everything and gives the sites 30 s. Fails on the checker's violations and when traffic
/// does not flow both ways at the end.
SwarmOutcome run_swarm_scenario(World& world);

}  // namespace wanbond::sim
