#include "plan.h"

#include <fnmatch.h>

#include <algorithm>

#include "crypto/aead.h"

namespace wanbond {
namespace {

constexpr std::uint32_t kWanMtu = 1500;       // of a device that is not there yet
constexpr std::uint32_t kOverheadBytes = 80;  // IPv6, UDP, DATA header and tag (protocol 1.7)
constexpr std::uint32_t kTunMtuMin = 1280;    // RFC 8200 5: Linux drops IPv6 below
constexpr std::uint32_t kWanMtuMax = 65535;
constexpr std::size_t kEndpointsMax = 64;

/// [Wan] sections, or one for each interface with a default route, best first.
std::vector<WanConfig> wans_of(const Config& config, const Machine& machine) {
  if (!config.wans.empty()) return config.wans;
  std::vector<WanConfig> wans;
  for (const DefaultRoute& route : machine.default_routes) {
    const bool known = std::any_of(
        wans.begin(), wans.end(), [&](const WanConfig& wan) { return wan.device == route.device; });
    if (known || route.device == config.interface.device) continue;
    WanConfig wan;
    wan.name = wan.device = route.device;
    wan.place = config.interface.place;
    wans.push_back(std::move(wan));
  }
  return wans;
}

bool has_wildcard(const std::string& device) {
  return device.find_first_of("*?[") != std::string::npos;
}

/// What a WAN without a device waits for.
std::string awaited(const WanPlan& wan) {
  if (!wan.pattern.empty()) return "no interface matches " + wan.pattern;
  return "no interface has the address " + wan.source->to_string();
}

WanPlan plan_wan(const Config& config, const WanConfig& wan, const Machine& machine, Plan& plan) {
  WanPlan result;
  result.settings = wan.settings;
  result.settings.name = wan.name;
  result.source = wan.source;
  result.gateway = wan.gateway;
  result.automatic = config.wans.empty();
  result.follows_source = wan.device.empty();
  if (has_wildcard(wan.device))
    result.pattern = wan.device;
  else
    result.socket.device = wan.device;
  std::vector<std::string> taken{config.interface.device};
  for (const WanPlan& other : plan.wans) taken.push_back(other.socket.device);
  result.socket.device = device_of(machine, result, taken);
  if (wan.source) result.socket.source = *wan.source;
  result.socket.port = wan.listen_port.value_or(config.interface.listen_port);
  result.settings.listen_port = result.socket.port;
  result.socket.fwmark = plan.fwmark;
  const MachineInterface* interface = machine.find(result.socket.device);
  result.present = interface != nullptr && interface->link.up;
  const std::uint32_t mtu = interface == nullptr ? kWanMtu : interface->link.mtu;
  result.settings.mtu_bytes = static_cast<std::uint16_t>(std::min(mtu, kWanMtuMax));
  if (result.socket.device.empty())
    plan.warnings.push_back(wan.place.to_string() + ": " + awaited(result) + "; [Wan " + wan.name +
                            "] waits for it");
  else if (!result.present)
    plan.warnings.push_back(wan.place.to_string() + ": device " + result.socket.device +
                            (interface == nullptr ? " does not exist" : " is down") + "; [Wan " +
                            wan.name + "] waits for it");
  return result;
}

/// A place for an interface that gets a default route later.
WanPlan spare_wan(const Config& config, const Plan& plan) {
  WanPlan spare;
  spare.automatic = true;
  spare.socket.port = config.interface.listen_port;
  spare.socket.fwmark = plan.fwmark;
  spare.settings.listen_port = spare.socket.port;
  return spare;
}

/// Index of the WAN of that name. The configuration's check knows the names of [Wan] sections;
/// those of interfaces are known only here.
std::optional<SocketId> find_wan(const Plan& plan, const std::string& name) {
  for (std::size_t i = 0; i < plan.wans.size(); ++i) {
    if (plan.wans[i].settings.name == name) return SocketId{static_cast<std::uint16_t>(i)};
  }
  return {};
}

/// Every WAN to every endpoint that its Source can reach, and to wherever the peer calls from.
std::vector<PathSettings> default_paths(const Plan& plan, const PeerSettings& peer) {
  std::vector<PathSettings> paths;
  for (std::size_t w = 0; w < plan.wans.size(); ++w) {
    const SocketId wan{static_cast<std::uint16_t>(w)};
    for (std::size_t e = 0; e < peer.endpoints.size(); ++e) {
      const Endpoint& endpoint = peer.endpoints[e];
      const auto& source = plan.wans[w].source;
      if (endpoint.port == 0 || !source || endpoint.address.is_v4() == source->is_v4())
        paths.push_back({wan, e});
    }
    paths.push_back({wan, std::nullopt});
  }
  return paths;
}

/// `first` holds, for each configured endpoint, its first index in PeerSettings::endpoints.
Result<std::vector<PathSettings>> chosen_paths(const Plan& plan, const PeerConfig& peer,
                                               const std::vector<std::size_t>& first) {
  std::vector<PathSettings> paths;
  for (const PathText& text : peer.paths) {
    const auto wan = find_wan(plan, text.wan);
    if (!wan)
      return Error{peer.place.to_string() + ": Paths of [Peer " + peer.name +
                   "]: there is no WAN " + text.wan + "; give it a [Wan " + text.wan + "] section"};
    if (!text.endpoint) paths.push_back({*wan, std::nullopt});
    for (std::size_t e = 0; text.endpoint && e < peer.endpoints.size(); ++e) {
      if (peer.endpoints[e].to_string() != text.endpoint->to_string()) continue;
      for (std::size_t i = first[e]; i < first[e + 1]; ++i) paths.push_back({*wan, i});
    }
  }
  return paths;
}

Result<void> plan_peer(const PeerConfig& peer, Plan& plan) {
  PeerSettings settings;
  settings.name = peer.name;
  settings.public_key = peer.public_key;
  settings.preshared_key = peer.psk;
  settings.allowed_ips = peer.allowed_ips;
  settings.metric = peer.metric;
  settings.cipher = peer.cipher;
  if (peer.cipher == CipherPolicy::Aes && !aes_available())
    return Error{peer.place.to_string() + ": Cipher = aes of [Peer " + peer.name +
                 "] cannot work: the processor lacks AES instructions; take auto or chacha"};
  const PeerId id{static_cast<std::uint16_t>(plan.node.peers.size())};
  std::vector<std::size_t> first;
  for (const EndpointText& text : peer.endpoints) {
    first.push_back(settings.endpoints.size());
    if (text.address) {
      settings.endpoints.push_back({*text.address, text.port});
      continue;
    }
    plan.queries.push_back({id, settings.endpoints.size(), text.host, text.port});
    settings.endpoints.resize(settings.endpoints.size() + kAddressesPerName);
  }
  first.push_back(settings.endpoints.size());
  if (settings.endpoints.size() > kEndpointsMax)
    return Error{peer.place.to_string() + ": [Peer " + peer.name +
                 "] has too many endpoints: an address counts once, a name four times, 64 in all"};
  auto paths = peer.paths.empty() ? Result<std::vector<PathSettings>>(default_paths(plan, settings))
                                  : chosen_paths(plan, peer, first);
  if (!paths) return paths.error();
  settings.paths = std::move(*paths);
  plan.node.peers.push_back(std::move(settings));
  return {};
}

std::uint16_t tun_mtu(const Config& config, const Plan& plan) {
  if (config.interface.mtu) return static_cast<std::uint16_t>(*config.interface.mtu);
  std::uint32_t lowest = kWanMtuMax;
  for (const WanPlan& wan : plan.wans)
    if (!wan.settings.name.empty())
      lowest = std::min<std::uint32_t>(lowest, wan.settings.mtu_bytes);
  return static_cast<std::uint16_t>(std::max(lowest, kTunMtuMin + kOverheadBytes) - kOverheadBytes);
}

Result<void> plan_lan(const LanConfig& lan, Plan& plan) {
  const auto wan = find_wan(plan, lan.wan);
  if (!wan)
    return Error{lan.place.to_string() + ": there is no WAN " + lan.wan + "; give it a [Wan " +
                 lan.wan + "] section"};
  for (const Prefix& subnet : lan.subnets) plan.node.lans.push_back({subnet, *wan});
  return {};
}

Result<void> plan_rule(const RuleConfig& rule, Plan& plan) {
  plan.node.rules.push_back(rule.rule);
  for (const std::string& name : rule.wans) {
    const auto wan = find_wan(plan, name);
    if (!wan)
      return Error{rule.place.to_string() + ": Wans of [Rule " + rule.rule.name +
                   "]: there is no WAN " + name + "; give it a [Wan " + name + "] section"};
    plan.node.rules.back().wans.push_back(*wan);
  }
  return {};
}

}  // namespace

const MachineInterface* Machine::find(const std::string& device) const {
  const auto found = std::find_if(interfaces.begin(), interfaces.end(),
                                  [&](const MachineInterface& i) { return i.link.name == device; });
  return found == interfaces.end() ? nullptr : &*found;
}

Result<Machine> read_machine(Netlink& netlink) {
  Machine machine;
  auto links = netlink.links();
  if (!links) return links.error();
  for (LinkInfo& link : *links) {
    // An interface that vanishes in between has no addresses.
    auto addresses = netlink.addresses(link.name);
    machine.interfaces.push_back(
        {std::move(link), addresses ? std::move(*addresses) : std::vector<InterfaceAddress>()});
  }
  auto routes = netlink.default_routes();
  if (!routes) return routes.error();
  machine.default_routes = std::move(*routes);
  return machine;
}

std::string device_of(const Machine& machine, const WanPlan& wan,
                      const std::vector<std::string>& taken) {
  const auto has_source = [&](const MachineInterface& interface) {
    return std::any_of(interface.addresses.begin(), interface.addresses.end(),
                       [&](const InterfaceAddress& own) { return own.address == wan.source; });
  };
  if (wan.pattern.empty() && !wan.socket.device.empty()) {
    const MachineInterface* current = machine.find(wan.socket.device);
    const bool follows_source = wan.source && wan.follows_source;
    if (!follows_source || (current != nullptr && has_source(*current))) return wan.socket.device;
  }
  const MachineInterface* best = nullptr;
  for (const MachineInterface& interface : machine.interfaces) {
    const std::string& name = interface.link.name;
    const bool matches = wan.pattern.empty() ? wan.source && has_source(interface)
                                             : ::fnmatch(wan.pattern.c_str(), name.c_str(), 0) == 0;
    const bool is_taken = std::find(taken.begin(), taken.end(), name) != taken.end();
    if (!matches || is_taken || (wan.source && !has_source(interface))) continue;
    const auto rank = [&](const MachineInterface& i) {
      return (i.link.up && i.link.running ? 2 : 0) + (i.link.name == wan.socket.device ? 1 : 0);
    };
    if (best == nullptr || rank(interface) > rank(*best)) best = &interface;
  }
  return best == nullptr ? "" : best->link.name;
}

bool has_default_route(const Machine& machine, const std::string& device) {
  return std::any_of(machine.default_routes.begin(), machine.default_routes.end(),
                     [&](const DefaultRoute& route) { return route.device == device; });
}

Result<Plan> make_plan(const Config& config, const Machine& machine) {
  Plan plan;
  plan.fwmark = config.interface.fwmark == 0 ? kDefaultMark : config.interface.fwmark;
  for (const WanConfig& wan : wans_of(config, machine)) {
    plan.wans.push_back(plan_wan(config, wan, machine, plan));
    plan.node.wans.push_back(plan.wans.back().settings);
  }
  if (plan.wans.empty())
    return Error{config.file +
                 ": no [Wan] section, and no interface has a default route; add [Wan NAME] with "
                 "its Device"};
  while (config.wans.empty() && plan.wans.size() < kAutomaticWansMax) {
    plan.wans.push_back(spare_wan(config, plan));
    plan.node.wans.push_back(plan.wans.back().settings);
  }
  plan.node.keys = config.keys;
  plan.node.netkey = config.netkey;
  plan.node.tun_mtu_bytes = tun_mtu(config, plan);
  for (const PeerConfig& peer : config.peers) {
    if (const auto done = plan_peer(peer, plan); !done) return done.error();
  }
  for (const LanConfig& lan : config.lans) {
    if (const auto done = plan_lan(lan, plan); !done) return done.error();
  }
  for (const RuleConfig& rule : config.rules) {
    if (const auto done = plan_rule(rule, plan); !done) return done.error();
  }
  return plan;
}

}  // namespace wanbond
