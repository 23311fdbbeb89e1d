#include "tests/sim/sites.h"

#include <algorithm>

namespace wanbond::sim {

UdpPair::UdpPair(Scene& scene, Duration interval, std::uint16_t number)
    : up(scene.world(), scene.host(kBranch).lan(), scene.host(kHub).lan(),
         {.who = talk(kBranch, kHub, number), .interval = interval}),
      down(scene.world(), scene.host(kHub).lan(), scene.host(kBranch).lan(),
           {.who = talk(kHub, kBranch, number), .interval = interval}) {}

void UdpPair::start() {
  up.start();
  down.start();
}

void UdpPair::stop() {
  up.stop();
  down.stop();
}

void UdpPair::reset_gaps() {
  up.reset_gap();
  down.reset_gap();
}

Duration UdpPair::gap_max() const noexcept {
  return std::max(up.report().gap_max, down.report().gap_max);
}

bool Sites::bring_up(Duration limit) {
  scene.start_all();
  // The hub has one WAN for each access of the branch, so the numbers agree.
  const std::size_t paths = branch.wan_count();
  return scene.world().run_until(
      [&] {
        return count_paths(branch, PathState::Up) == paths &&
               count_paths(hub, PathState::Up) == paths;
      },
      limit);
}

bool Sites::both_use(std::size_t wan) const {
  return selected_wan(branch) == wan && selected_wan(hub) == wan;
}

bool Sites::runs_on(std::size_t wan, Duration limit) {
  return scene.world().run_until([&] { return both_use(wan); }, limit);
}

}  // namespace wanbond::sim
