#include "network.h"

#include <algorithm>
#include <set>

namespace wanbond {
namespace {

constexpr std::uint32_t kFirstTable = 51900;
constexpr std::uint32_t kGatewayTables = 32;
/// One for /0, those of gateways, up to 64 of bypass rules.
constexpr std::uint32_t kTablesPerInstance = 1 + kGatewayTables + kRulesMax;
constexpr std::uint32_t kMarkMask = 0xffffffff;
/// Before the main table's 32766, in the order of evaluation.
constexpr std::uint32_t kGatewayPriority = 31000;
constexpr std::uint32_t kSuppressPriority = 31001;
constexpr std::uint32_t kDefaultPriority = 31002;

std::uint32_t table_of(const Prefix& prefix, const TableChoice& table,
                       const RouteNumbers& numbers) {
  if (table.kind == TableChoice::Kind::Number) return table.number;
  return prefix.length() == 0 ? numbers.default_table : kMainTable;
}

Rule::Family family_of(const Prefix& prefix) {
  return prefix.is_v4() ? Rule::Family::V4 : Rule::Family::V6;
}

bool same_route(const Route& a, const Route& b) {
  return a.prefix == b.prefix && a.metric == b.metric && a.table == b.table && a.kind == b.kind;
}

}  // namespace

RouteNumbers route_numbers(std::uint32_t fwmark, int tun_index) noexcept {
  const std::uint32_t first =
      kFirstTable + static_cast<std::uint32_t>(tun_index) * kTablesPerInstance;
  return {first, first + 1, {first + 1 + kGatewayTables, fwmark}, fwmark};
}

Route live_route(const Prefix& prefix, const std::string& device, const TableChoice& table,
                 const RouteNumbers& numbers) {
  Route route;
  route.prefix = prefix;
  route.device = device;
  route.metric = kLiveMetric;
  route.table = table_of(prefix, table, numbers);
  return route;
}

Route unreachable_route(const Prefix& prefix, const TableChoice& table,
                        const RouteNumbers& numbers) {
  Route route;
  route.prefix = prefix;
  route.kind = Route::Kind::Unreachable;
  route.metric = kUnreachableMetric;
  route.table = table_of(prefix, table, numbers);
  return route;
}

std::vector<Rule> default_rules(Rule::Family family, const RouteNumbers& numbers) {
  Rule suppress;
  suppress.family = family;
  suppress.priority = kSuppressPriority;
  suppress.table = kMainTable;
  suppress.suppress_prefix_length = 0;
  Rule others;
  others.family = family;
  others.sense = Rule::Sense::NotMatching;
  others.priority = kDefaultPriority;
  others.fwmark = numbers.fwmark;
  others.fwmark_mask = kMarkMask;
  others.table = numbers.default_table;
  return {suppress, others};
}

Network::Network(Netlink& netlink, const Config& config, std::string device, RouteNumbers numbers)
    : netlink_(netlink),
      config_(config),
      device_(std::move(device)),
      numbers_(numbers),
      peers_up_(config.peers.size()) {}

Result<void> Network::set_up(const Plan& plan) {
  for (const InterfaceAddress& address : config_.interface.addresses) {
    if (auto done = netlink_.add_address(device_, address); !done) return done;
  }
  if (auto done = netlink_.set_mtu(device_, plan.node.tun_mtu_bytes); !done) return done;
  if (auto done = netlink_.set_up(device_); !done) return done;
  for (std::size_t i = 0; i < plan.wans.size(); ++i) {
    if (!plan.wans[i].gateway || !plan.wans[i].present) continue;
    if (auto done = set_gateway(i, plan.wans[i]); !done) return done;
  }
  if (auto done = add_bypass(plan.node.rules); !done) return done;
  if (config_.interface.table.kind == TableChoice::Kind::Off) return {};
  for (const Prefix& prefix : all_prefixes()) {
    if (auto done = add(unreachable_route(prefix, config_.interface.table, numbers_)); !done)
      return done;
  }
  return add_rules();
}

Result<void> Network::add_rules() {
  if (config_.interface.table.kind != TableChoice::Kind::Auto) return {};
  std::set<Rule::Family> families;
  for (const Prefix& prefix : all_prefixes()) {
    if (prefix.length() == 0) families.insert(family_of(prefix));
  }
  for (const Rule::Family family : families) {
    for (const Rule& rule : default_rules(family, numbers_)) {
      if (auto done = add(rule); !done) return done;
    }
  }
  return {};
}

Result<void> Network::set_gateway(std::size_t wan, const WanPlan& plan) {
  if (!plan.gateway) return {};
  Route route;
  route.prefix = Prefix(plan.gateway->is_v4() ? IpAddress::v4(0) : IpAddress(), 0);
  route.device = plan.socket.device;
  route.gateway = *plan.gateway;
  route.table = numbers_.gateway_table + static_cast<std::uint32_t>(wan);
  remove_stale(route);
  if (auto done = add(route); !done) return done;
  Rule rule;
  rule.family = plan.gateway->is_v4() ? Rule::Family::V4 : Rule::Family::V6;
  rule.priority = kGatewayPriority;
  rule.fwmark = numbers_.fwmark;
  rule.fwmark_mask = kMarkMask;
  rule.output_device = plan.socket.device;
  if (plan.source)  // two WANs may be on one device
    rule.source = Prefix(*plan.source, plan.source->bit_count());
  rule.table = route.table;
  return add(rule);
}

/// Before the tunnel's own rules and routes, whatever Table is.
Result<void> Network::add_bypass(const std::vector<FlowRule>& rules) {
  const std::vector<Rule> wanted = bypass_rules(rules, numbers_.bypass);
  if (wanted.empty()) return {};
  if (auto done = netlink_.set_group(device_, kTunGroup); !done) return done;
  for (const Rule& rule : wanted) {
    if (auto done = add(rule); !done) return done;
  }
  return {};
}

std::vector<std::string> Network::follow(const Machine& machine, const Plan& plan,
                                         std::span<const std::size_t> renewed) {
  std::vector<std::string> faults;
  const std::vector<Route> wanted = bypass_routes(machine, plan, numbers_.bypass);
  const auto is_old = [&](const Route& route) {
    return is_of_bypass(route) && std::find(wanted.begin(), wanted.end(), route) == wanted.end();
  };
  const auto is_lost = [&](const Route& route) {
    return is_of_bypass(route) && std::any_of(renewed.begin(), renewed.end(), [&](std::size_t wan) {
             return plan.wans[wan].socket.device == route.device;
           });
  };
  std::erase_if(routes_, [&](const Route& route) {
    if (!is_old(route)) return is_lost(route);
    if (const auto done = netlink_.remove_route(route); !done)
      faults.push_back(done.error().message);
    return true;
  });
  for (const Route& route : wanted) {
    if (std::find(routes_.begin(), routes_.end(), route) != routes_.end()) continue;
    if (const auto done = add(route); !done) faults.push_back(done.error().message);
  }
  return faults;
}

bool Network::is_of_bypass(const Route& route) const noexcept {
  return route.table >= numbers_.bypass.first_table &&
         route.table < numbers_.bypass.first_table + kRulesMax;
}

/// A WAN may have moved to another device: what led out of the old one goes.
void Network::remove_stale(const Route& gateway) {
  const auto is_stale = [&](const auto& other, const std::string& device) {
    return other.table == gateway.table && device != gateway.device;
  };
  std::erase_if(rules_, [&](const Rule& rule) {
    return is_stale(rule, rule.output_device) && netlink_.remove_rule(rule);
  });
  std::erase_if(routes_, [&](const Route& route) {
    return is_stale(route, route.device) && netlink_.remove_route(route);
  });
}

std::vector<std::string> Network::set_peer(std::size_t peer, bool up) {
  std::vector<std::string> faults;
  peers_up_[peer] = up;
  if (config_.interface.table.kind == TableChoice::Kind::Off) return faults;
  for (const Prefix& prefix : config_.peers[peer].allowed_ips) {
    const Route route = live_route(prefix, device_, config_.interface.table, numbers_);
    if (up) {
      if (const auto done = add(route); !done) faults.push_back(done.error().message);
    } else if (!is_wanted_by_other(prefix, peer)) {
      if (const auto done = netlink_.remove_route(route); !done)
        faults.push_back(done.error().message);
      std::erase_if(routes_, [&](const Route& other) { return same_route(route, other); });
    }
  }
  return faults;
}

void Network::remove_all() {
  for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule)
    (void)netlink_.remove_rule(*rule);
  for (auto route = routes_.rbegin(); route != routes_.rend(); ++route)
    (void)netlink_.remove_route(*route);
  rules_.clear();
  routes_.clear();
}

std::vector<Prefix> Network::all_prefixes() const {
  std::set<Prefix> prefixes;
  for (const PeerConfig& peer : config_.peers)
    prefixes.insert(peer.allowed_ips.begin(), peer.allowed_ips.end());
  return {prefixes.begin(), prefixes.end()};
}

bool Network::is_wanted_by_other(const Prefix& prefix, std::size_t peer) const {
  for (std::size_t i = 0; i < config_.peers.size(); ++i) {
    const auto& own = config_.peers[i].allowed_ips;
    if (i != peer && peers_up_[i] && std::find(own.begin(), own.end(), prefix) != own.end())
      return true;
  }
  return false;
}

Result<void> Network::add(const Route& route) {
  auto done = netlink_.replace_route(route);
  const bool known = std::any_of(routes_.begin(), routes_.end(),
                                 [&](const Route& other) { return same_route(route, other); });
  if (done && !known) routes_.push_back(route);
  return done;
}

Result<void> Network::add(const Rule& rule) {
  auto done = netlink_.add_rule(rule);
  if (done && std::find(rules_.begin(), rules_.end(), rule) == rules_.end()) rules_.push_back(rule);
  return done;
}

}  // namespace wanbond
