#include "tests/sim/scene.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

namespace wanbond::sim {
namespace {

constexpr std::uint16_t kPort = 51900;

IpAddress v4_of(std::uint32_t net, std::size_t host, std::size_t number) {
  return IpAddress::v4(net | static_cast<std::uint32_t>(host) << 8 |
                       static_cast<std::uint32_t>(number));
}
IpAddress nat_inside(std::size_t host, std::size_t wan) {
  return v4_of(0xc0a80000, host, wan + 2);  // 192.168/16
}
IpAddress dead_address(std::size_t wan) { return v4_of(0xc0000200, 0, wan + 1); }  // 192.0.2/24

std::vector<Prefix> lan_prefixes(std::size_t host) {
  return {Prefix(lan_address(host), 16), Prefix(lan_address6(host), 32)};
}

PeerSettings peer_of(std::size_t host, const HostPlan& plan) {
  PeerSettings peer;
  peer.name = plan.name;
  peer.public_key = plan.node.keys.public_key;
  peer.allowed_ips = lan_prefixes(host);
  return peer;
}

HostPlan new_host(World& world, std::string name) {
  HostPlan plan;
  plan.name = std::move(name);
  plan.node.keys = KeyPair::generate(world.random());
  plan.clock_offset = Duration(static_cast<Duration::rep>(world.random().next() % 1'000'000'000));
  return plan;
}

void add_wan(HostPlan& plan, std::size_t host, const AccessPlan& access) {
  const std::size_t i = plan.wans.size();
  WanPlan wan;
  wan.name = "wan" + std::to_string(i);
  wan.local = wan_endpoint(host, i);
  wan.up = wan.down = access.link;
  wan.up.delay = wan.down.delay = access.rtt / 2;
  if (access.nat == AccessPlan::Nat::Box) {
    wan.nat_address = wan.local.address;
    wan.local.address = nat_inside(host, i);
  }
  WanSettings settings;
  settings.name = wan.name;
  settings.metered = access.metered;
  plan.wans.push_back(wan);
  plan.node.wans.push_back(settings);
}

// Paths from each WAN of `plan` to the same WAN of host `to`, and to whoever calls.
void add_peer(HostPlan& plan, PeerSettings peer, std::size_t to, bool knows, bool dead_first) {
  for (std::size_t i = 0; i < plan.wans.size(); ++i) {
    const SocketId wan{static_cast<std::uint16_t>(i)};
    if (knows && dead_first) {
      peer.paths.push_back({wan, peer.endpoints.size()});
      peer.endpoints.push_back({dead_address(i), kPort});
    }
    if (knows) {
      peer.paths.push_back({wan, peer.endpoints.size()});
      peer.endpoints.push_back(wan_endpoint(to, i));
    } else {
      peer.paths.push_back({wan, std::nullopt});
    }
  }
  plan.node.peers.push_back(std::move(peer));
}

// Paths from each WAN of `plan` to each of the first `known` WANs of host `to`, and to whoever
// calls or offers an address.
void add_meshed_peer(HostPlan& plan, PeerSettings peer, std::size_t to, std::size_t known) {
  for (std::size_t i = 0; i < known; ++i) peer.endpoints.push_back(wan_endpoint(to, i));
  for (std::size_t i = 0; i < plan.wans.size(); ++i) {
    const SocketId wan{static_cast<std::uint16_t>(i)};
    for (std::size_t e = 0; e < known; ++e) peer.paths.push_back({wan, e});
    peer.paths.push_back({wan, std::nullopt});
  }
  plan.node.peers.push_back(std::move(peer));
}

}  // namespace

Scene::~Scene() {
  if (ended_) return;
  for (const std::string& violation : end()) FAIL_CHECK(violation);
}

const std::vector<std::string>& Scene::end() {
  for (auto& host : hosts_) host->kill();
  ended_ = true;
  return checker_.violations();
}

Host& Scene::add(HostPlan plan) {
  const auto number = static_cast<unsigned>(hosts_.size());
  hosts_.push_back(
      std::make_unique<Host>(Host::Place{world_, internet_, checker_, number}, std::move(plan)));
  return *hosts_.back();
}

void Scene::start_all() {
  for (auto& host : hosts_) host->start();
}

Host& add_sites(Scene& scene, const SitesPlan& plan) {
  HostPlan branch = new_host(scene.world(), "branch");
  HostPlan hub = new_host(scene.world(), "hub");
  for (const AccessPlan& access : plan.accesses) add_wan(branch, kBranch, access);
  const std::size_t hub_wans = plan.hub_wans == 0 ? plan.accesses.size() : plan.hub_wans;
  for (std::size_t i = 0; i < hub_wans; ++i) add_wan(hub, kHub, {.rtt = 0ms});
  branch.drift_ppm = plan.branch_drift_ppm;
  branch.node.rules = hub.node.rules = plan.rules;
  branch.node.rekey_after = hub.node.rekey_after = plan.rekey_after;
  const PeerSettings as_peer = peer_of(kBranch, branch);
  if (plan.meshed_endpoints > 0) {
    for (WanSettings& wan : hub.node.wans) wan.listen_port = kPort;
    add_meshed_peer(branch, peer_of(kHub, hub), kHub, plan.meshed_endpoints);
  } else {
    add_peer(branch, peer_of(kHub, hub), kHub, plan.knows != Knows::HubOnly,
             plan.first_endpoint_dead);
  }
  add_peer(hub, as_peer, kBranch, plan.knows != Knows::BranchOnly, false);
  scene.add(std::move(branch));
  scene.add(std::move(hub));
  return scene.host(kBranch);
}

void add_star(Scene& scene, std::size_t branches) {
  HostPlan hub = new_host(scene.world(), "hub");
  add_wan(hub, 0, {.rtt = 0ms});
  const PeerSettings hub_peer = peer_of(0, hub);
  std::vector<HostPlan> spokes;
  for (std::size_t i = 1; i <= branches; ++i) {
    HostPlan spoke = new_host(scene.world(), "branch" + std::to_string(i));
    add_wan(spoke, i, {.rtt = 10ms * static_cast<int>(i)});
    add_peer(spoke, hub_peer, 0, true, false);
    add_peer(hub, peer_of(i, spoke), i, false, false);
    spokes.push_back(std::move(spoke));
  }
  scene.add(std::move(hub));
  for (HostPlan& spoke : spokes) scene.add(std::move(spoke));
}

Endpoint wan_endpoint(std::size_t host, std::size_t wan) {
  return {v4_of(0xc6120000, host, wan + 1), kPort};  // 198.18/15
}

IpAddress lan_address(std::size_t host, unsigned number) {
  return IpAddress::v4(0x0a000000 | static_cast<std::uint32_t>(host + 1) << 16 | number);
}

IpAddress lan_address6(std::size_t host, unsigned number) {
  std::array<std::byte, 16> bytes{std::byte{0xfd}};
  bytes[3] = static_cast<std::byte>(host + 1);
  bytes[15] = static_cast<std::byte>(number);
  return IpAddress::from_bytes(bytes);
}

Conversation talk(std::size_t from, std::size_t to, std::uint16_t number) {
  return {{lan_address(from), static_cast<std::uint16_t>(40000 + number)},
          {lan_address(to), static_cast<std::uint16_t>(5000 + number)},
          0};
}

std::optional<std::size_t> selected_wan(const Host& host, std::size_t peer) {
  const NodeStatus status = host.status();
  for (const PathStatus& path : status.peers[peer].paths)
    if (path.selected) return path.wan.value;
  return std::nullopt;
}

std::size_t count_paths(const Host& host, PathState state, std::size_t peer) {
  const NodeStatus status = host.status();
  const auto& paths = status.peers[peer].paths;
  return static_cast<std::size_t>(std::count_if(
      paths.begin(), paths.end(), [&](const PathStatus& path) { return path.state == state; }));
}

bool is_peer_up(const Host& host, std::size_t peer) { return host.status().peers[peer].up; }

namespace {

template <class Match>
std::size_t count_since(const Host& host, Time since, Match match) {
  return static_cast<std::size_t>(std::count_if(
      host.events().begin(), host.events().end(),
      [&](const HostEvent& entry) { return entry.time >= since && match(entry.event); }));
}

template <class Match>
Time first_since(const Host& host, Time since, Match match) {
  for (const HostEvent& entry : host.events())
    if (entry.time >= since && match(entry.event)) return entry.time;
  return kNever;
}

bool is_down(const Event& event) {
  return event.kind == EventKind::PathState && event.to == PathState::Down &&
         (event.from == PathState::Up || event.from == PathState::Suspect);
}

}  // namespace

std::size_t count_downs(const Host& host, Time since) { return count_since(host, since, is_down); }

std::size_t count_events(const Host& host, EventKind kind, Time since) {
  return count_since(host, since, [&](const Event& event) { return event.kind == kind; });
}

Time first_event(const Host& host, EventKind kind, Time since) {
  return first_since(host, since, [&](const Event& event) { return event.kind == kind; });
}

Time first_down(const Host& host, Time since) { return first_since(host, since, is_down); }

}  // namespace wanbond::sim
