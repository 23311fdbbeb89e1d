// Scene: the hosts of one scenario, the Internet between them and the Checker over them; and the
// usual cast: a branch and a hub with some WANs.
#pragma once

#include <memory>
#include <vector>

#include "tests/sim/host.h"

namespace wanbond::sim {

/// Hosts in the order of add(). Unless end() was called, its destructor reports the checker's
/// violations as doctest failures.
class Scene {
 public:
  explicit Scene(World& world) : world_(world), checker_(world) {}
  ~Scene();
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;

  Host& add(HostPlan plan);
  Host& host(std::size_t i) { return *hosts_[i]; }
  std::size_t host_count() const noexcept { return hosts_.size(); }
  void start_all();
  /// Kills all hosts and tells what the checker has found in all.
  const std::vector<std::string>& end();

  World& world() noexcept { return world_; }
  Internet& internet() noexcept { return internet_; }
  Checker& checker() noexcept { return checker_; }

 private:
  World& world_;
  Internet internet_;
  Checker checker_;
  std::vector<std::unique_ptr<Host>> hosts_;
  bool ended_ = false;
};

/// One access of the branch; the hub has one to match, without delay of its own.
struct AccessPlan {
  Duration rtt = 20ms;
  LinkSettings link{};  // both directions; its delay is set from `rtt`
  enum class Nat { None, Box } nat = Nat::None;
  bool metered = false;
};

/// Who knows the other's address.
enum class Knows { BranchOnly, HubOnly, Both };

/// branch: host 0, LAN 10.1.0.0/16 and fd00:1::/32. hub: host 1, LAN 10.2.0.0/16, fd00:2::/32.
/// WAN i of the one talks to WAN i of the other.
struct SitesPlan {
  std::vector<AccessPlan> accesses{{.rtt = 20ms}};
  Knows knows = Knows::BranchOnly;
  Duration rekey_after = 120s;
  std::int64_t branch_drift_ppm = 0;
  /// The first of two endpoints that the branch knows for each WAN is dead.
  bool first_endpoint_dead = false;
  /// The branch tries every WAN of its own with every address that it knows, and the hub offers
  /// those of its WANs that Host::tell_wan() says. It knows so many of them from the start.
  std::size_t meshed_endpoints = 0;  // 0: WAN i talks to WAN i
  std::size_t hub_wans = 0;          // of a mesh; 0: as many as the branch has
  std::vector<FlowRule> rules = {};  // of both
};
inline constexpr std::size_t kBranch = 0;
inline constexpr std::size_t kHub = 1;

/// Adds both, not started, and returns the branch. Keys come from the World's randomness.
Host& add_sites(Scene& scene, const SitesPlan& plan);
/// Adds a hub and `branches` branches with one WAN each; the hub is host 0.
void add_star(Scene& scene, std::size_t branches);

/// The host's WAN addresses as built here.
Endpoint wan_endpoint(std::size_t host, std::size_t wan);
/// 10.<host + 1>.0.<number> and the like in IPv6.
IpAddress lan_address(std::size_t host, unsigned number = 1);
IpAddress lan_address6(std::size_t host, unsigned number = 1);
/// From host `from` to host `to`, a flow of its own per `number`.
Conversation talk(std::size_t from, std::size_t to, std::uint16_t number = 1);

// ---- Questions to a running host ---------------------------------------------------------------

/// The WAN that carries the peer's flows now; none while no path is usable.
std::optional<std::size_t> selected_wan(const Host& host, std::size_t peer = 0);
/// Paths of the peer in this state.
std::size_t count_paths(const Host& host, PathState state, std::size_t peer = 0);
bool is_peer_up(const Host& host, std::size_t peer = 0);
/// Events that a path left for Down since `since`; or events of one kind.
std::size_t count_downs(const Host& host, Time since = {});
std::size_t count_events(const Host& host, EventKind kind, Time since = {});
/// The first event of that kind since `since`; kNever: none.
Time first_event(const Host& host, EventKind kind, Time since);
Time first_down(const Host& host, Time since);

}  // namespace wanbond::sim
