// The half of Netlink that deals with routes and policy rules.
#include <errno.h>
#include <linux/fib_rules.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string>

#include "io/netlink.h"
#include "io/netlink_message.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kFamilies[]{AF_INET, AF_INET6};

std::string route_text(const Route& route) {
  std::string text = route.kind == Route::Kind::Unreachable ? "unreachable route to " : "route to ";
  text += route.prefix.to_string();
  if (!route.device.empty()) text += " on " + route.device;
  if (!route.gateway.is_unspecified()) text += " by " + route.gateway.to_string();
  return text + " in table " + std::to_string(route.table);
}

/// Next hops of a multipath route: rtnexthop structs, each with attributes of its own.
void add_next_hops(Bytes hops, const std::map<std::uint32_t, std::string>& names,
                   DefaultRoute route, std::vector<DefaultRoute>& found) {
  while (hops.size() >= sizeof(rtnexthop)) {
    rtnexthop head{};
    std::memcpy(&head, hops.data(), sizeof(head));
    if (head.rtnh_len < sizeof(head) || head.rtnh_len > hops.size()) return;
    const NetlinkReply hop{.body = hops.first(head.rtnh_len)};
    if (const auto name = names.find(static_cast<std::uint32_t>(head.rtnh_ifindex));
        name != names.end()) {
      route.device = name->second;
      route.gateway = hop.attribute_address(sizeof(head), RTA_GATEWAY);
      found.push_back(route);
    }
    hops = hops.subspan(std::min<std::size_t>(hops.size(), RTNH_ALIGN(head.rtnh_len)));
  }
}

/// Adds the next hops of a route, if it is a default route of somebody else in the main table.
void add_default(const NetlinkReply& reply, const std::map<std::uint32_t, std::string>& names,
                 std::vector<DefaultRoute>& found) {
  const auto head = reply.fixed<rtmsg>();
  constexpr std::size_t kFixed = sizeof(head);
  if (reply.type != RTM_NEWROUTE || head.rtm_dst_len != 0 || head.rtm_type != RTN_UNICAST ||
      head.rtm_protocol == kRouteProtocol || (head.rtm_flags & RTM_F_CLONED) != 0 ||
      reply.attribute_u32(kFixed, RTA_TABLE).value_or(head.rtm_table) != kMainTable)
    return;
  DefaultRoute route;
  route.is_v4 = head.rtm_family == AF_INET;
  route.metric = reply.attribute_u32(kFixed, RTA_PRIORITY).value_or(0);
  if (const Bytes hops = reply.attribute(kFixed, RTA_MULTIPATH); !hops.empty())
    return add_next_hops(hops, names, route, found);
  const auto name = names.find(reply.attribute_u32(kFixed, RTA_OIF).value_or(0));
  if (name == names.end()) return;
  route.device = name->second;
  route.gateway = reply.attribute_address(kFixed, RTA_GATEWAY);
  found.push_back(route);
}

/// Whether a dumped route or rule carries our protocol number.
bool is_ours(const NetlinkReply& reply) {
  if (reply.type == RTM_NEWROUTE) {
    const auto head = reply.fixed<rtmsg>();
    return head.rtm_protocol == kRouteProtocol && (head.rtm_flags & RTM_F_CLONED) == 0;
  }
  if (reply.type != RTM_NEWRULE) return false;
  const Bytes protocol = reply.attribute(sizeof(fib_rule_hdr), FRA_PROTOCOL);
  return protocol.size() == 1 && protocol[0] == std::byte{kRouteProtocol};
}

std::uint8_t action_of(Rule::Action action) {
  switch (action) {
    case Rule::Action::Lookup:
      return FR_ACT_TO_TBL;
    case Rule::Action::Goto:
      return FR_ACT_GOTO;
    case Rule::Action::Nothing:
      return FR_ACT_NOP;
  }
  return FR_ACT_UNSPEC;
}

/// What a packet must be like; the lengths of prefixes are in the fixed struct.
void add_match(NetlinkRequest& request, const Rule& rule) {
  const auto add_ports = [&](std::uint16_t type, const std::optional<Rule::Ports>& ports) {
    if (!ports) return;
    const fib_rule_port_range range{.start = ports->first, .end = ports->last};
    request.attribute(type, std::as_bytes(std::span(&range, 1)));
  };
  if (rule.source) request.attribute(FRA_SRC, rule.source->address().bytes());
  if (rule.destination) request.attribute(FRA_DST, rule.destination->address().bytes());
  if (rule.fwmark_mask != 0) {
    request.attribute(FRA_FWMARK, rule.fwmark);
    request.attribute(FRA_FWMASK, rule.fwmark_mask);
  }
  if (!rule.output_device.empty()) request.attribute(FRA_OIFNAME, rule.output_device);
  const std::byte protocol{rule.protocol};
  if (rule.protocol != 0) request.attribute(FRA_IP_PROTO, Bytes(&protocol, 1));
  add_ports(FRA_SPORT_RANGE, rule.source_ports);
  add_ports(FRA_DPORT_RANGE, rule.destination_ports);
}

}  // namespace

Result<std::vector<DefaultRoute>> Netlink::default_routes() {
  const Result<std::vector<LinkInfo>> all = links();
  if (!all) return all.error();
  std::map<std::uint32_t, std::string> names;
  for (const LinkInfo& link : *all) names[static_cast<std::uint32_t>(link.index)] = link.name;
  std::vector<DefaultRoute> found;
  for (const std::uint8_t family : kFamilies) {
    NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP);
    request.body(rtmsg{.rtm_family = family});
    Result<void> done =
        exchange(request, "cannot list the routes", {EAFNOSUPPORT, EOPNOTSUPP},
                 [&](const NetlinkReply& reply) { add_default(reply, names, found); });
    if (!done) return done.error();
  }
  std::stable_sort(found.begin(), found.end(), [](const DefaultRoute& a, const DefaultRoute& b) {
    return a.metric < b.metric;
  });
  return found;
}

Result<void> Netlink::replace_route(const Route& route) {
  return change_route(route, RTM_NEWROUTE);
}

Result<void> Netlink::remove_route(const Route& route) { return change_route(route, RTM_DELROUTE); }

Result<void> Netlink::change_route(const Route& route, std::uint16_t type) {
  const bool add = type == RTM_NEWROUTE;
  const bool unicast = route.kind == Route::Kind::Unicast;
  rtmsg head{};
  head.rtm_family = route.prefix.is_v4() ? AF_INET : AF_INET6;
  head.rtm_dst_len = static_cast<std::uint8_t>(route.prefix.length());
  head.rtm_protocol = kRouteProtocol;
  head.rtm_type = unicast ? RTN_UNICAST : RTN_UNREACHABLE;
  head.rtm_scope = !add                                        ? RT_SCOPE_NOWHERE  // any
                   : unicast && route.gateway.is_unspecified() ? RT_SCOPE_LINK
                                                               : RT_SCOPE_UNIVERSE;
  NetlinkRequest request(type, NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_REPLACE : 0U));
  std::uint32_t device = 0;
  if (unicast && !route.device.empty()) {
    const Result<LinkInfo> of = link(route.device);
    if (!of && !add) return {};  // its routes went with it
    if (!of) return of.error();
    device = static_cast<std::uint32_t>(of->index);
    if (add && !route.gateway.is_unspecified()) head.rtm_flags = RTNH_F_ONLINK;
  }
  request.body(head);
  request.attribute(RTA_DST, route.prefix.address().bytes());
  request.attribute(RTA_TABLE, route.table);
  if (route.metric != 0) request.attribute(RTA_PRIORITY, route.metric);
  if (device != 0) request.attribute(RTA_OIF, device);
  if (!route.gateway.is_unspecified()) request.attribute(RTA_GATEWAY, route.gateway.bytes());
  if (!route.source.is_unspecified()) request.attribute(RTA_PREFSRC, route.source.bytes());
  if (add) return exchange(request, "cannot add " + route_text(route), {});
  return exchange(request, "cannot remove " + route_text(route), {ESRCH, ENOENT, ENODEV});
}

Result<void> Netlink::add_rule(const Rule& rule) { return change_rule(rule, RTM_NEWRULE); }

Result<void> Netlink::remove_rule(const Rule& rule) { return change_rule(rule, RTM_DELRULE); }

Result<void> Netlink::change_rule(const Rule& rule, std::uint16_t type) {
  const bool add = type == RTM_NEWRULE;
  NetlinkRequest request(type, NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0U));
  fib_rule_hdr head{};
  head.family = rule.family == Rule::Family::V4 ? AF_INET : AF_INET6;
  head.action = action_of(rule.action);
  head.flags = rule.sense == Rule::Sense::NotMatching ? FIB_RULE_INVERT : 0;
  if (rule.source) head.src_len = static_cast<std::uint8_t>(rule.source->length());
  if (rule.destination) head.dst_len = static_cast<std::uint8_t>(rule.destination->length());
  request.body(head);
  add_match(request, rule);
  if (rule.action == Rule::Action::Lookup) request.attribute(FRA_TABLE, rule.table);
  if (rule.action == Rule::Action::Goto) request.attribute(FRA_GOTO, rule.target);
  request.attribute(FRA_PRIORITY, rule.priority);
  const std::byte protocol{kRouteProtocol};
  request.attribute(FRA_PROTOCOL, Bytes(&protocol, 1));
  if (rule.suppress_prefix_length)
    request.attribute(FRA_SUPPRESS_PREFIXLEN, *rule.suppress_prefix_length);
  if (rule.suppress_group) request.attribute(FRA_SUPPRESS_IFGROUP, *rule.suppress_group);
  const std::string text =
      "routing rule " + std::to_string(rule.priority) + " for table " + std::to_string(rule.table);
  // A family that the kernel lacks needs no rule.
  if (add) return exchange(request, "cannot add " + text, {EEXIST, EAFNOSUPPORT});
  return exchange(request, "cannot remove " + text, {ENOENT, ESRCH, EAFNOSUPPORT});
}

Result<unsigned> Netlink::sweep() {
  unsigned swept = 0;
  for (const std::uint8_t family : kFamilies) {
    const Result<unsigned> rules = sweep_family(family, RTM_GETRULE, RTM_DELRULE);
    if (!rules) return rules;
    const Result<unsigned> routes = sweep_family(family, RTM_GETROUTE, RTM_DELROUTE);
    if (!routes) return routes;
    swept += *rules + *routes;
  }
  return swept;
}

Result<unsigned> Netlink::sweep_family(std::uint8_t family, std::uint16_t dump_type,
                                       std::uint16_t delete_type) {
  static_assert(sizeof(rtmsg) == sizeof(fib_rule_hdr));  // one body serves both dumps
  NetlinkRequest dump(dump_type, NLM_F_DUMP);
  dump.body(rtmsg{.rtm_family = family});
  std::vector<std::vector<std::byte>> ours;
  Result<void> done = exchange(dump, "cannot list routes and rules", {EAFNOSUPPORT, EOPNOTSUPP},
                               [&](const NetlinkReply& reply) {
                                 if (is_ours(reply))
                                   ours.emplace_back(reply.body.begin(), reply.body.end());
                               });
  if (!done) return done.error();
  for (const std::vector<std::byte>& body : ours) {
    NetlinkRequest remove(delete_type, NLM_F_ACK, body);
    done =
        exchange(remove, "cannot remove a route or rule of a former run", {ESRCH, ENOENT, ENODEV});
    if (!done) return done.error();
  }
  return static_cast<unsigned>(ours.size());
}

}  // namespace wanbond
