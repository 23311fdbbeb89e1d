// Sites: the usual scene, a branch and a hub, with the few steps that every scenario takes.
#pragma once

#include "tests/sim/scene.h"
#include "tests/sim/udp_flow.h"

namespace wanbond::sim {

/// Flows in both directions, numbered datagrams at a steady pace.
struct UdpPair {
  UdpPair(Scene& scene, Duration interval, std::uint16_t number = 1);
  void start();
  void stop();
  void reset_gaps();
  std::uint64_t missing() const noexcept { return up.missing() + down.missing(); }
  std::uint64_t received() const noexcept { return up.report().received + down.report().received; }
  Duration gap_max() const noexcept;

  UdpFlow up;    // branch to hub
  UdpFlow down;  // hub to branch
};

/// Scene, branch and hub by name.
struct Sites {
  Sites(World& world, const SitesPlan& plan)
      : scene(world), branch(add_sites(scene, plan)), hub(scene.host(kHub)) {}

  /// Starts both and runs until all paths are up at both ends; false after `limit`.
  bool bring_up(Duration limit = 5s);
  /// Runs until both ends send by this WAN; false after `limit`.
  bool runs_on(std::size_t wan, Duration limit);
  bool both_use(std::size_t wan) const;
  std::size_t count_all_downs(Time since = {}) const {
    return count_downs(branch, since) + count_downs(hub, since);
  }

  Scene scene;
  Host& branch;
  Host& hub;
};

}  // namespace wanbond::sim
