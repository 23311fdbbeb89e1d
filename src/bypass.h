// Bypass: flows of rules that leave by a WAN itself instead of the tunnel. The kernel's policy
// routing carries them; this says by which rules and routes (wanbond.conf(5), Mode). It decides
// before a packet would come to the TUN, so that NAT and connection tracking work as usual.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/netlink.h"
#include "plan.h"
#include "sched/rules.h"

namespace wanbond {

/// Routing tables are one per rule, at `first_table` and above, in the order of the rules.
struct BypassNumbers {
  std::uint32_t first_table = 0;
  std::uint32_t fwmark = 0;  // of our own datagrams
};

/// Policy rules that one bypass rule becomes, in both families: one for each combination of its
/// lists.
std::size_t bypass_rule_count(const RuleMatch& match);
/// Of one bypass rule.
inline constexpr std::size_t kBypassRulesMax = 256;

/// Group of the TUN device; what the main table routes over it does not hold a packet back.
inline constexpr std::uint32_t kTunGroup = 0x7762;

/// In the order of evaluation, for the bypass rules among `rules`, none without one: our own
/// datagrams jump over all; then what the main table routes neither by its default route nor into
/// the tunnel (neighbours, other subnets) goes there; then each rule's matches look into its table.
std::vector<Rule> bypass_rules(const std::vector<FlowRule>& rules, const BypassNumbers& numbers);

/// What is to be in these tables now: a default route by each WAN of the rule that has a carrier
/// and a next hop, the first with the best metric. An empty table lets packets go on, which is into
/// the tunnel.
std::vector<Route> bypass_routes(const Machine& machine, const Plan& plan,
                                 const BypassNumbers& numbers);

}  // namespace wanbond
