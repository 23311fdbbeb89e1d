#include "bypass.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "base/inner.h"

namespace wanbond {
namespace {

constexpr std::uint32_t kFirstPriority = 30900;  // before the rules of gateways and of the tunnel
constexpr std::uint32_t kKeepPriority = 30901;
constexpr std::uint32_t kMatchPriority = 30902;
constexpr std::uint32_t kEndPriority = 30999;
constexpr std::array kFamilies{Rule::Family::V4, Rule::Family::V6};

bool is_of(const Prefix& prefix, Rule::Family family) {
  return prefix.is_v4() == (family == Rule::Family::V4);
}

/// The list as choices; the one choice "any" if it is empty.
template <class T>
std::vector<std::optional<T>> choices(const std::vector<T>& list) {
  if (list.empty()) return {std::nullopt};
  return {list.begin(), list.end()};
}

std::vector<std::optional<Prefix>> choices(const std::vector<Prefix>& list, Rule::Family family) {
  if (list.empty()) return {std::nullopt};
  std::vector<std::optional<Prefix>> own;
  std::copy_if(list.begin(), list.end(), std::back_inserter(own),
               [&](const Prefix& prefix) { return is_of(prefix, family); });
  return own;
}

/// Ports are those of TCP and UDP, also where no protocol is named.
std::vector<std::optional<std::uint8_t>> protocols_of(const RuleMatch& match) {
  const bool has_ports = !match.source_ports.empty() || !match.destination_ports.empty();
  if (match.protocols.empty() && has_ports) return {kProtocolTcp, kProtocolUdp};
  return choices(match.protocols);
}

std::optional<Rule::Ports> ports_of(const std::optional<ValueRange>& range) {
  if (!range) return {};
  return Rule::Ports{static_cast<std::uint16_t>(range->first),
                     static_cast<std::uint16_t>(range->last)};
}

std::vector<Rule> rules_for(const RuleMatch& match, Rule::Family family, std::uint32_t table) {
  std::vector<Rule> found;
  for (const auto& protocol : protocols_of(match))
    for (const auto& from : choices(match.source_ports))
      for (const auto& to : choices(match.destination_ports))
        found.push_back({.family = family,
                         .priority = kMatchPriority,
                         .protocol = protocol.value_or(0),
                         .source_ports = ports_of(from),
                         .destination_ports = ports_of(to),
                         .table = table});
  std::vector<Rule> all;
  for (const auto& source : choices(match.sources, family))
    for (const auto& destination : choices(match.destinations, family))
      for (Rule rule : found) {
        rule.source = source;
        rule.destination = destination;
        all.push_back(rule);
      }
  return all;
}

/// What stands before and behind the matches.
void add_frame(Rule::Family family, std::uint32_t fwmark, std::vector<Rule>& all) {
  all.push_back({.family = family,
                 .action = Rule::Action::Goto,
                 .priority = kFirstPriority,
                 .fwmark = fwmark,
                 .fwmark_mask = 0xffffffff,
                 .target = kEndPriority});
  all.push_back({.family = family,
                 .priority = kKeepPriority,
                 .table = kMainTable,
                 .suppress_prefix_length = 0,
                 .suppress_group = kTunGroup});
  all.push_back({.family = family, .action = Rule::Action::Nothing, .priority = kEndPriority});
}

/// The WANs of a rule, the best first: as listed, else as the tunnel would take them.
std::vector<SocketId> wans_of(const FlowRule& rule, const Plan& plan) {
  if (!rule.wans.empty()) return rule.wans;
  std::vector<SocketId> wans;
  for (std::size_t i = 0; i < plan.wans.size(); ++i)
    if (!plan.wans[i].settings.name.empty()) wans.push_back({static_cast<std::uint16_t>(i)});
  std::stable_sort(wans.begin(), wans.end(), [&](SocketId a, SocketId b) {
    const auto rank = [&](SocketId id) {
      const WanSettings& settings = plan.wans[id.value].settings;
      return std::tuple(settings.metered, settings.priority);
    };
    return rank(a) < rank(b);
  });
  return wans;
}

/// The next hop of a WAN: its Gateway, else that of the best default route out of its device;
/// unspecified for one on the link, none: there is no way.
std::optional<IpAddress> next_hop(const Machine& machine, const WanPlan& wan, bool is_v4) {
  if (wan.gateway && wan.gateway->is_v4() == is_v4) return wan.gateway;
  for (const DefaultRoute& route : machine.default_routes)
    if (route.device == wan.socket.device && route.is_v4 == is_v4) return route.gateway;
  return {};
}

}  // namespace

std::size_t bypass_rule_count(const RuleMatch& match) {
  std::size_t count = 0;
  for (const Rule::Family family : kFamilies) count += rules_for(match, family, 0).size();
  return count;
}

std::vector<Rule> bypass_rules(const std::vector<FlowRule>& rules, const BypassNumbers& numbers) {
  std::vector<Rule> all;
  for (const Rule::Family family : kFamilies) {
    std::vector<Rule> matches;
    std::uint32_t table = numbers.first_table;
    for (const FlowRule& rule : rules) {
      if (rule.mode != RuleMode::Bypass) continue;
      const auto own = rules_for(rule.match, family, table++);
      matches.insert(matches.end(), own.begin(), own.end());
    }
    if (matches.empty()) continue;
    add_frame(family, numbers.fwmark, all);
    all.insert(all.end(), matches.begin(), matches.end());
  }
  return all;
}

std::vector<Route> bypass_routes(const Machine& machine, const Plan& plan,
                                 const BypassNumbers& numbers) {
  std::vector<Route> routes;
  std::uint32_t table = numbers.first_table;
  for (const FlowRule& rule : plan.node.rules) {
    if (rule.mode != RuleMode::Bypass) continue;
    std::uint32_t metric = 1;
    for (const SocketId id : wans_of(rule, plan)) {
      const WanPlan& wan = plan.wans[id.value];
      const MachineInterface* interface = machine.find(wan.socket.device);
      if (interface == nullptr || !interface->link.up || !interface->link.running) continue;
      for (const bool is_v4 : {true, false}) {
        const auto hop = next_hop(machine, wan, is_v4);
        if (!hop) continue;
        Route route;
        route.prefix = Prefix(is_v4 ? IpAddress::v4(0) : IpAddress(), 0);
        route.device = wan.socket.device;
        route.gateway = *hop;
        if (wan.source && wan.source->is_v4() == is_v4) route.source = *wan.source;
        route.metric = metric;
        route.table = table;
        routes.push_back(route);
      }
      ++metric;
    }
    ++table;
  }
  return routes;
}

}  // namespace wanbond
