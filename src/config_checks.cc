#include "config_checks.h"

#include <algorithm>
#include <map>

#include "bypass.h"
#include "config_values.h"
#include "suggest.h"

namespace wanbond {
namespace {

constexpr std::size_t kWansMax = 32;     // core/settings.h
constexpr std::size_t kPeersMax = 4096;  // core/settings.h
constexpr std::size_t kPathsMax = 32;    // of one peer with an endpoint, core/settings.h

const ConfigSection& section_of(const Sections& sections, const char* kind,
                                const std::string& name) {
  return *std::find_if(sections.all.begin(), sections.all.end(), [&](const ConfigSection& section) {
    return section.kind == kind && section.name == name;
  });
}

/// A reference to [Wan name]. Without any [Wan] the names are those of interfaces, unknown here.
void check_wan_name(const Config& config, const std::string& name, const Place& place,
                    Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (const WanConfig& wan : config.wans) names.push_back(wan.name);
  if (names.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  diagnostics.error(place, "there is no [Wan " + name + "]" + suggest(name, names));
}

void check_interface(const Config& config, Diagnostics& diagnostics) {
  if (!config.interface.private_key.given())
    diagnostics.error(config.interface.place,
                      "[Interface] needs a PrivateKey; make one with: wanbond genkey");
}

void check_wan(const WanConfig& wan, const Sections& sections, Diagnostics& diagnostics) {
  if (wan.device.empty() && !wan.source)
    diagnostics.error(wan.place, "[Wan " + wan.name + "] needs a Device or a Source");
  if (wan.source && wan.source->is_unspecified())
    diagnostics.error(place_of(section_of(sections, "Wan", wan.name), "Source"),
                      "Source: '" + wan.source->to_string() + "' is no address of a box");
  if (wan.source && wan.gateway && wan.source->is_v4() != wan.gateway->is_v4())
    diagnostics.error(place_of(section_of(sections, "Wan", wan.name), "Gateway"),
                      "Gateway and Source are of different families");
}

void check_wans(const Config& config, const Sections& sections, Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < config.wans.size(); ++i) {
    const WanConfig& wan = config.wans[i];
    check_wan(wan, sections, diagnostics);
    const auto same =
        std::find_if(config.wans.begin(), config.wans.begin() + static_cast<std::ptrdiff_t>(i),
                     [&](const WanConfig& other) {
                       return other.device == wan.device && other.source == wan.source &&
                              other.listen_port == wan.listen_port;
                     });
    if (same != config.wans.begin() + static_cast<std::ptrdiff_t>(i))
      diagnostics.error(wan.place, "[Wan " + wan.name + "] is the same as [Wan " + same->name +
                                       "]: Device, Source and ListenPort agree");
  }
  if (config.wans.size() > kWansMax)
    diagnostics.error(config.wans[kWansMax].place, "more than 32 WANs");
}

bool same_endpoint(const EndpointText& a, const EndpointText& b) {
  return a.port == b.port && a.address == b.address && (a.address || a.host == b.host);
}

void check_paths(const Config& config, const PeerConfig& peer, const ConfigSection& section,
                 Diagnostics& diagnostics) {
  std::vector<std::string> endpoints;
  for (const EndpointText& endpoint : peer.endpoints) endpoints.push_back(endpoint.to_string());
  for (std::size_t i = 0; i < peer.paths.size(); ++i) {
    const PathText& path = peer.paths[i];
    const Place place = place_of(section, "Paths", i);
    check_wan_name(config, path.wan, place, diagnostics);
    if (!path.endpoint) continue;
    const bool known = std::any_of(
        peer.endpoints.begin(), peer.endpoints.end(),
        [&](const EndpointText& endpoint) { return same_endpoint(endpoint, *path.endpoint); });
    if (!known)
      diagnostics.error(place, "Paths: " + path.endpoint->to_string() +
                                   " is no Endpoint of [Peer " + peer.name + "]" +
                                   suggest(path.endpoint->to_string(), endpoints));
  }
  const std::size_t own = peer.paths.empty() ? config.wans.size() * peer.endpoints.size() : 0;
  const auto listed = std::count_if(peer.paths.begin(), peer.paths.end(),
                                    [](const PathText& path) { return path.endpoint.has_value(); });
  if (std::max(own, static_cast<std::size_t>(listed)) > kPathsMax)
    diagnostics.error(peer.place,
                      "[Peer " + peer.name + "] has more than 32 paths; choose with Paths");
}

/// Endpoints of a family that no WAN can send; known only where every WAN names its Source.
void check_families(const Config& config, const PeerConfig& peer, const ConfigSection& section,
                    Diagnostics& diagnostics) {
  const auto may_send = [&](const EndpointText& endpoint) {
    return config.wans.empty() || !endpoint.address ||
           std::any_of(config.wans.begin(), config.wans.end(), [&](const WanConfig& wan) {
             return !wan.source || wan.source->is_v4() == endpoint.address->is_v4();
           });
  };
  for (std::size_t i = 0; i < peer.endpoints.size(); ++i) {
    if (may_send(peer.endpoints[i])) continue;
    const char* family = peer.endpoints[i].address->is_v4() ? "IPv4" : "IPv6";
    diagnostics.warning(
        place_of(section, "Endpoint", i),
        peer.endpoints[i].to_string() + " cannot be reached: no [Wan] has a Source of " + family);
  }
}

/// Prefixes longer than /0 go to the main table, where they catch our own datagrams too.
void check_loops(const Config& config, const PeerConfig& peer, const ConfigSection& section,
                 Diagnostics& diagnostics) {
  for (std::size_t i = 0; i < peer.endpoints.size(); ++i) {
    const auto& address = peer.endpoints[i].address;
    const auto catches = [&](const Prefix& prefix) {
      return address && prefix.length() > 0 && prefix.contains(*address);
    };
    for (const PeerConfig& other : config.peers) {
      const auto prefix = std::find_if(other.allowed_ips.begin(), other.allowed_ips.end(), catches);
      if (prefix == other.allowed_ips.end()) continue;
      diagnostics.warning(place_of(section, "Endpoint", i),
                          "Endpoint " + peer.endpoints[i].to_string() + " lies within AllowedIPs " +
                              prefix->to_string() + " of [Peer " + other.name +
                              "]: the tunnel would carry itself");
    }
  }
}

void check_peer(const Config& config, const PeerConfig& peer, const ConfigSection& section,
                Diagnostics& diagnostics) {
  if (!has_entry(section, "PublicKey"))
    diagnostics.error(peer.place, "[Peer " + peer.name + "] needs a PublicKey");
  if (peer.allowed_ips.empty())
    diagnostics.warning(peer.place,
                        "[Peer " + peer.name + "] has no AllowedIPs: nothing is sent to it");
  if (peer.endpoints.empty() && config.interface.listen_port == 0)
    diagnostics.warning(peer.place, "[Peer " + peer.name +
                                        "] has no Endpoint and ListenPort is 0: neither side can "
                                        "call the other");
  check_paths(config, peer, section, diagnostics);
  check_families(config, peer, section, diagnostics);
  if (config.interface.table.kind != TableChoice::Kind::Off)
    check_loops(config, peer, section, diagnostics);
}

void check_peers(const Config& config, const Sections& sections, Diagnostics& diagnostics) {
  std::map<PublicKey, std::string> owners;
  std::map<std::pair<Prefix, std::uint32_t>, std::string> routes;
  for (const PeerConfig& peer : config.peers) {
    const ConfigSection& section = section_of(sections, "Peer", peer.name);
    check_peer(config, peer, section, diagnostics);
    if (has_entry(section, "PublicKey")) {
      const auto [owner, is_new] = owners.try_emplace(peer.public_key, peer.name);
      if (!is_new)
        diagnostics.error(place_of(section, "PublicKey"),
                          "PublicKey is also that of [Peer " + owner->second + "]");
    }
    for (std::size_t i = 0; i < peer.allowed_ips.size(); ++i) {
      const Prefix& prefix = peer.allowed_ips[i];
      const auto [owner, is_new] = routes.try_emplace({prefix, peer.metric}, peer.name);
      if (is_new) continue;
      const Place place = place_of(section, "AllowedIPs", i);
      if (owner->second == peer.name)
        diagnostics.error(place, "AllowedIPs: " + prefix.to_string() + " is listed twice");
      else
        diagnostics.error(place, "AllowedIPs: " + prefix.to_string() + " is also in [Peer " +
                                     owner->second +
                                     "]; give one of the two another Metric (the lowest that is up "
                                     "wins)");
    }
  }
  if (config.peers.empty()) diagnostics.error({config.file, 0}, "there is no [Peer NAME]");
  if (config.peers.size() > kPeersMax)
    diagnostics.error(config.peers[kPeersMax].place, "more than 4096 peers");
}

void check_lans(const Config& config, const Sections& sections, Diagnostics& diagnostics) {
  std::map<Prefix, std::string> owners;
  for (const LanConfig& lan : config.lans) {
    const ConfigSection& section = section_of(sections, "Lan", lan.name);
    if (lan.subnets.empty()) diagnostics.error(lan.place, "[Lan " + lan.name + "] needs a Subnet");
    if (lan.wan.empty())
      diagnostics.error(lan.place, "[Lan " + lan.name + "] needs a Wan");
    else
      check_wan_name(config, lan.wan, place_of(section, "Wan"), diagnostics);
    for (std::size_t i = 0; i < lan.subnets.size(); ++i) {
      const auto [owner, is_new] = owners.try_emplace(lan.subnets[i], lan.name);
      if (!is_new)
        diagnostics.error(
            place_of(section, "Subnet", i),
            "Subnet: " + lan.subnets[i].to_string() + " is also in [Lan " + owner->second + "]");
    }
  }
  if (owners.size() > kLansMax)
    diagnostics.error(config.lans.back().place, "more than 64 subnets in [Lan] sections");
}

/// The kernel decides on bypass, by what its policy rules know of a packet, before any other rule.
void check_bypass(const RuleConfig& rule, const ConfigSection& section, bool is_late,
                  Diagnostics& diagnostics) {
  const Place place = place_of(section, "Mode");
  if (is_late)
    diagnostics.error(place,
                      "Mode = bypass works only before all rules of other modes, as the kernel "
                      "decides first; move [Rule " +
                          rule.rule.name + "] up");
  for (const char* key : {"MaxExtraDelay", "Repair"})
    if (has_entry(section, key))
      diagnostics.error(place_of(section, key),
                        std::string(key) + " means nothing with Mode = bypass; take it out");
  if (!rule.rule.match.sizes.empty() || !rule.rule.match.dscps.empty())
    diagnostics.error(place_of(section, "Match"),
                      "Match: the kernel's routing does not know size= and dscp=, which Mode = "
                      "bypass would need; take them out");
  if (rule.rule.match.is_empty())
    diagnostics.error(place,
                      "Mode = bypass without a Match would leave nothing for the tunnel; give one");
  if (bypass_rule_count(rule.rule.match) > kBypassRulesMax)
    diagnostics.error(place_of(section, "Match"),
                      "Match: the lists make more than 256 policy rules of the kernel; shorten "
                      "them, or take prefixes that hold several");
}

bool takes_all_paths(RuleMode mode) {
  return mode == RuleMode::Aggregate || mode == RuleMode::Smooth || mode == RuleMode::Drop;
}

/// What a mode needs, and what would mean nothing with it.
void check_mode(const RuleConfig& rule, const ConfigSection& section, Diagnostics& diagnostics) {
  const RuleMode mode = rule.rule.mode;
  const std::string name(to_string(mode));
  const auto refuse = [&](const char* key) {
    if (has_entry(section, key))
      diagnostics.error(place_of(section, key),
                        std::string(key) + " means nothing with Mode = " + name + "; take it out");
  };
  if (takes_all_paths(mode)) {
    for (const char* key : {"Wans", "MaxExtraDelay", "Repair"}) refuse(key);
  } else if (mode == RuleMode::Pinned && rule.wans.empty()) {
    diagnostics.error(place_of(section, "Mode"),
                      "Mode = pinned needs Wans: those to use, the best first");
  } else if (mode == RuleMode::Overflow && rule.wans.size() == 1) {
    diagnostics.error(place_of(section, "Wans"),
                      "Mode = overflow needs a second WAN, or no Wans: all by their Priority");
  } else if (mode == RuleMode::Duplicate && !rule.wans.empty() &&
             rule.wans.size() < rule.rule.copies) {
    diagnostics.error(
        place_of(section, "Wans"),
        "Mode = duplicate(" + std::to_string(rule.rule.copies) + ") needs as many Wans");
  }
}

bool has_ports(const RuleMatch& match) {
  return !match.source_ports.empty() || !match.destination_ports.empty();
}

/// Conditions that no packet can meet.
void check_match(const RuleConfig& rule, const ConfigSection& section, Diagnostics& diagnostics) {
  const RuleMatch& match = rule.rule.match;
  const Place place = place_of(section, "Match");
  const auto has_no_ports = [](std::uint8_t protocol) {
    return protocol != kProtocolTcp && protocol != kProtocolUdp;
  };
  if (has_ports(match) && std::any_of(match.protocols.begin(), match.protocols.end(), has_no_ports))
    diagnostics.error(place, "Match: only tcp and udp have ports; make a [Rule] for each protocol");
  const auto any = [](const std::vector<Prefix>& prefixes, bool v4) {
    return prefixes.empty() ||
           std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const Prefix& prefix) { return prefix.is_v4() == v4; });
  };
  const bool is_possible = (any(match.sources, true) && any(match.destinations, true)) ||
                           (any(match.sources, false) && any(match.destinations, false));
  if (!is_possible)
    diagnostics.error(place, "Match: src and dst are of different families; nothing can match");
}

void check_rules(const Config& config, const Sections& sections, Diagnostics& diagnostics) {
  const RuleConfig* catch_all = nullptr;
  bool has_others = false;  // than bypass
  for (const RuleConfig& rule : config.rules) {
    const ConfigSection& section = section_of(sections, "Rule", rule.rule.name);
    if (!has_entry(section, "Mode"))
      diagnostics.error(rule.place, "[Rule " + rule.rule.name + "] needs a Mode");
    if (rule.rule.mode == RuleMode::Bypass)
      check_bypass(rule, section, has_others, diagnostics);
    else
      check_mode(rule, section, diagnostics);
    has_others = has_others || rule.rule.mode != RuleMode::Bypass;
    check_match(rule, section, diagnostics);
    for (std::size_t i = 0; i < rule.wans.size(); ++i) {
      const Place place = place_of(section, "Wans", i);
      check_wan_name(config, rule.wans[i], place, diagnostics);
      const auto end = rule.wans.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(rule.wans.begin(), end, rule.wans[i]) != end)
        diagnostics.error(place, "Wans: " + rule.wans[i] + " is listed twice");
    }
    if (catch_all != nullptr)
      diagnostics.warning(rule.place, "[Rule " + rule.rule.name + "] is never reached: [Rule " +
                                          catch_all->rule.name + "] before it matches everything");
    if (catch_all == nullptr && rule.rule.match.is_empty()) catch_all = &rule;
  }
  if (config.rules.size() > kRulesMax)
    diagnostics.error(config.rules[kRulesMax].place, "more than 64 rules");
}

/// Keys that are known but have no effect yet: said aloud, never swallowed.
void check_idle_keys(const Sections& sections, Diagnostics& diagnostics) {
  for (const ConfigSection& section : sections.all) {
    for (const ConfigEntry& entry : section.entries) {
      const bool idle = (section.kind == "Interface" && entry.key == "FastRecovery") ||
                        (section.kind == "Wan" && entry.key == "MaxRate" && entry.value != "0");
      if (idle) diagnostics.warning(entry.place, entry.key + " has no effect in this version");
    }
  }
}

}  // namespace

void check_config(const Config& config, const Sections& sections, Diagnostics& diagnostics) {
  check_interface(config, diagnostics);
  check_wans(config, sections, diagnostics);
  check_peers(config, sections, diagnostics);
  check_lans(config, sections, diagnostics);
  check_rules(config, sections, diagnostics);
  check_idle_keys(sections, diagnostics);
}

}  // namespace wanbond
