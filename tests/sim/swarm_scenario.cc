#include "tests/sim/swarm_scenario.h"

#include <array>

#include "tests/sim/sites.h"

namespace wanbond::sim {
namespace {

constexpr Duration kTrouble = 20s;
constexpr Duration kRecovery = 30s;

std::string ms(Duration duration) { return std::to_string(duration / 1ms) + " ms"; }

AccessPlan draw_access(SeededRandom& random, Knows knows) {
  AccessPlan access;
  access.rtt = 1ms * static_cast<int>(random.between(4, 150));
  if (random.chance_ppm(500'000))
    access.link.loss_ppm = static_cast<std::uint32_t>(random.between(0, 30'000));
  if (random.chance_ppm(300'000)) access.link.jitter = 1ms * static_cast<int>(random.between(1, 5));
  if (random.chance_ppm(300'000)) {
    access.link.rate = {random.between(3, 100) * 1'000'000};
    access.link.queue_bytes_max = 100'000;
  }
  if (knows == Knows::BranchOnly && random.chance_ppm(400'000)) access.nat = AccessPlan::Nat::Box;
  return access;
}

std::string words(const AccessPlan& access) {
  return "rtt " + ms(access.rtt) + ", jitter " + ms(access.link.jitter) + ", loss " +
         std::to_string(access.link.loss_ppm) + " ppm, rate " +
         std::to_string(access.link.rate.bits_per_second / 1'000'000) + " Mbit/s" +
         (access.nat == AccessPlan::Nat::Box ? ", NAT" : "");
}

SitesPlan draw_sites(SeededRandom& random, std::vector<std::string>& plan) {
  static constexpr std::array kNames{"branch only", "hub only", "both"};
  SitesPlan sites;
  sites.knows = static_cast<Knows>(random.below(std::uint64_t{3}));
  sites.rekey_after = 1s * static_cast<int>(random.between(5, 40));
  sites.branch_drift_ppm = static_cast<std::int64_t>(random.between(0, 20'000)) - 10'000;
  plan.push_back(std::string("address known to ") + kNames[static_cast<std::size_t>(sites.knows)] +
                 ", rekey after " + ms(sites.rekey_after) + ", drift " +
                 std::to_string(sites.branch_drift_ppm) + " ppm");
  sites.accesses.clear();
  const std::uint64_t count = random.between(1, 4);
  for (std::uint64_t i = 0; i < count; ++i) {
    sites.accesses.push_back(draw_access(random, sites.knows));
    plan.push_back("WAN " + std::to_string(i) + ": " + words(sites.accesses.back()));
  }
  if (sites.knows == Knows::BranchOnly && random.chance_ppm(400'000)) {
    sites.hub_wans = random.between(1, 3);
    sites.meshed_endpoints = random.between(1, sites.hub_wans);
    plan.push_back("every WAN to every address of the hub: " + std::to_string(sites.hub_wans) +
                   ", of which the branch knows " + std::to_string(sites.meshed_endpoints));
  }
  return sites;
}

WanState present(Wan& wan) { return {.addresses = {wan.local().address}}; }

void tell_all_present(Host& host) {
  for (std::size_t i = 0; i < host.wan_count(); ++i) host.tell_wan(i, present(host.wan(i)));
}

// A WAN of either side loses its carrier or its address, or has both.
std::string machine_trouble(Host& host, SeededRandom& random) {
  const std::size_t i = random.below(host.wan_count());
  const std::string name = host.name() + "'s WAN " + std::to_string(i);
  WanState state = present(host.wan(i));
  std::string what = " is there";
  if (random.chance_ppm(300'000)) {
    state.usable = false;
    what = " has no carrier";
  } else if (random.chance_ppm(300'000)) {
    state.addresses.clear();
    what = " has no address";
  } else if (random.chance_ppm(300'000)) {
    state.mtu_bytes = 1400;
    what = " has an MTU of 1400";
  }
  host.tell_wan(i, state);
  return name + what;
}

// One thing that goes wrong now, in words.
std::string trouble(Sites& sites, const SitesPlan& plan, SeededRandom& random) {
  const std::size_t i = random.below(plan.accesses.size());
  Wan& wan = sites.branch.wan(i);
  Host& host = random.chance_ppm(500'000) ? sites.branch : sites.hub;
  const std::string name = "WAN " + std::to_string(i);
  switch (random.below(std::uint64_t{12})) {
    case 0:
    case 1:
      wan.cut();
      return name + " is cut";
    case 2:
    case 3:
    case 4:
      wan.restore();
      return name + " is whole";
    case 5:
      (random.chance_ppm(500'000) ? wan.up() : wan.down()).cut();
      return name + (wan.up().is_cut() ? " is cut upwards" : " is cut downwards");
    case 6:
      if (plan.accesses[i].nat != AccessPlan::Nat::Box) return "nothing";
      wan.rebind();
      return name + " gets a new port";
    case 7: {
      const Duration pause = 1ms * static_cast<int>(random.between(1, 1000));
      host.freeze(pause);
      // Deadlines move by as long as a loop could not run.
      sites.scene.checker().limits().dead_path_use_max += pause;
      return host.name() + " is stopped for " + ms(pause);
    }
    case 8:
    case 9:
    case 10:
      return machine_trouble(host, random);
    default:
      host.restart();
      return host.name() + " is restarted";
  }
}

}  // namespace

SwarmOutcome run_swarm_scenario(World& world) {
  SwarmOutcome outcome;
  SeededRandom random(world.seed() ^ 0x5eed);
  const SitesPlan plan = draw_sites(random, outcome.plan);
  Sites sites(world, plan);
  // A path that is cut in its first round trip is still at BFD's slow interval (RFC 5880 6.8.3):
  // the deaf end takes 4 s, and if that is restarted meanwhile, the other 4 s more.
  sites.scene.checker().limits().dead_path_use_max = 8200ms;
  UdpPair flows(sites.scene, 10ms);
  tell_all_present(sites.branch);
  tell_all_present(sites.hub);
  sites.scene.start_all();
  flows.start();
  const Time end = world.now() + kTrouble;
  while (world.now() < end) {
    world.run_for(1ms * static_cast<int>(random.between(10, 3000)));
    const std::string what = trouble(sites, plan, random);
    outcome.plan.push_back("at " + ms(world.now().time_since_epoch()) + ": " + what);
    world.note(what);
  }
  for (std::size_t i = 0; i < plan.accesses.size(); ++i) sites.branch.wan(i).restore();
  tell_all_present(sites.branch);
  tell_all_present(sites.hub);
  world.run_for(kRecovery);
  const Time recent = world.now() - 1s;
  if (flows.up.report().last_arrival < recent) outcome.failures.push_back("no traffic to the hub");
  if (flows.down.report().last_arrival < recent)
    outcome.failures.push_back("no traffic to the branch");
  for (const std::string& violation : sites.scene.end()) outcome.failures.push_back(violation);
  outcome.trace_hash = world.trace_hash();
  return outcome;
}

}  // namespace wanbond::sim
