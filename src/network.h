// Network: addresses, routes and rules around the TUN device, following the peers' states. All of
// it carries our route protocol number, is removed at the end and swept at the start (wanbond(8)).
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bypass.h"
#include "config.h"
#include "io/netlink.h"
#include "plan.h"

namespace wanbond {

/// Where an instance puts its routes and rules. Own tables start at 51900 and are told apart by
/// the index of the TUN device, so that two instances on one box never share one.
struct RouteNumbers {
  std::uint32_t default_table = 0;  // for prefixes of length 0
  std::uint32_t gateway_table = 0;  // of the first WAN; the others follow
  BypassNumbers bypass;
  std::uint32_t fwmark = 0;
};

RouteNumbers route_numbers(std::uint32_t fwmark, int tun_index) noexcept;

/// Metrics of our routes: in use, and the unreachable route that keeps packets in while no peer is
/// up.
inline constexpr std::uint32_t kLiveMetric = 50;
inline constexpr std::uint32_t kUnreachableMetric = 0xffffffff;

/// The route of a prefix over the TUN device; which table, by `table`.
Route live_route(const Prefix& prefix, const std::string& device, const TableChoice& table,
                 const RouteNumbers& numbers);
/// The same prefix, unreachable, of the worst metric.
Route unreachable_route(const Prefix& prefix, const TableChoice& table,
                        const RouteNumbers& numbers);
/// The two rules that send a family into the default table, but for our own datagrams and for what
/// the main table knows better than its default route (wg-quick(8)'s scheme).
std::vector<Rule> default_rules(Rule::Family family, const RouteNumbers& numbers);

/// Owns what it set; remove_all() undoes it. Faults of later changes are returned as texts.
class Network {
 public:
  Network(Netlink& netlink, const Config& config, std::string device, RouteNumbers numbers);

  /// Addresses, MTU and up; then rules, unreachable routes and the WANs' own tables.
  Result<void> set_up(const Plan& plan);
  /// Routes of a peer that is up now, or no longer.
  std::vector<std::string> set_peer(std::size_t peer, bool up);
  /// Own table of a WAN with a Gateway; again after its device came back.
  Result<void> set_gateway(std::size_t wan, const WanPlan& plan);
  /// Routes of bypass rules, after WANs have changed. `renewed`: WANs whose device is another, or
  /// had no address for a moment, when the kernel forgets its routes.
  std::vector<std::string> follow(const Machine& machine, const Plan& plan,
                                  std::span<const std::size_t> renewed);
  void remove_all();

 private:
  std::vector<Prefix> all_prefixes() const;
  bool is_wanted_by_other(const Prefix& prefix, std::size_t peer) const;
  Result<void> add_rules();
  Result<void> add_bypass(const std::vector<FlowRule>& rules);
  bool is_of_bypass(const Route& route) const noexcept;
  void remove_stale(const Route& gateway);
  Result<void> add(const Route& route);
  Result<void> add(const Rule& rule);

  Netlink& netlink_;
  const Config& config_;
  std::string device_;
  RouteNumbers numbers_;
  std::vector<bool> peers_up_;
  std::vector<Route> routes_;
  std::vector<Rule> rules_;
};

}  // namespace wanbond
