#include "tests/sim/twice.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>

namespace wanbond::sim {

std::uint64_t scenario_seed() {
  const char* text = std::getenv("WANBOND_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

void twice(const std::function<void(World&)>& scenario) {
  const std::uint64_t seed = scenario_seed();
  INFO("reproduce with WANBOND_SEED=", seed);
  World first(seed);
  if (std::getenv("WANBOND_TRACE") != nullptr)
    first.set_reader([](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  scenario(first);
  World second(seed);
  scenario(second);
  CHECK(first.trace_hash() == second.trace_hash());
}

}  // namespace wanbond::sim
