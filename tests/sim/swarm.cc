// swarm: runs drawn scenarios, each twice, until the time or the number is up, and tells the seeds
// that fail. `swarm --minutes 10`, `swarm --seeds 50`; WANBOND_SEED=n runs that one and explains
// it.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/sim/swarm_scenario.h"

namespace {

using namespace wanbond;
using namespace wanbond::sim;

enum class Talk { OnFailure, Always };

// True when all is well.
bool run_seed(std::uint64_t seed, Talk talk) {
  World first(seed);
  if (std::getenv("WANBOND_TRACE") != nullptr)
    first.set_reader([](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); });
  SwarmOutcome outcome = run_swarm_scenario(first);
  World second(seed);
  if (run_swarm_scenario(second).trace_hash != outcome.trace_hash)
    outcome.failures.push_back("two runs differ");
  const bool good = outcome.failures.empty();
  if (!good || talk == Talk::Always) {
    std::printf("WANBOND_SEED=%llu\n", static_cast<unsigned long long>(seed));
    for (const std::string& line : outcome.plan) std::printf("  %s\n", line.c_str());
    for (const std::string& line : outcome.failures) std::printf("  FAILED: %s\n", line.c_str());
    std::fflush(stdout);
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  using RealClock = std::chrono::steady_clock;
  if (const char* seed = std::getenv("WANBOND_SEED"))
    return run_seed(std::strtoull(seed, nullptr, 10), Talk::Always) ? 0 : 1;
  const bool by_time = argc == 3 && std::strcmp(argv[1], "--minutes") == 0;
  const bool by_count = argc == 3 && std::strcmp(argv[1], "--seeds") == 0;
  if (!by_time && !by_count) {
    std::fprintf(stderr, "usage: swarm --minutes N | --seeds N\n");
    return 2;
  }
  const std::uint64_t number = std::strtoull(argv[2], nullptr, 10);
  const auto start = RealClock::now();
  // By time, each call looks at other seeds; by count always at the same.
  const std::uint64_t base =
      by_count ? 0 : static_cast<std::uint64_t>(start.time_since_epoch().count()) << 20;
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  const auto goes_on = [&] {
    return by_count ? runs < number : RealClock::now() - start < std::chrono::minutes(number);
  };
  while (goes_on())
    if (!run_seed(base + ++runs, Talk::OnFailure)) ++failed;
  std::printf("%llu scenarios, %llu failed\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(failed));
  return failed == 0 ? 0 : 1;
}
