// What a configuration means on machines of several kinds.
#include "plan.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "host_names.h"

using namespace wanbond;

namespace {

const std::string kHead =
    "[Interface]\nPrivateKey = yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=\n"
    "[Peer hq]\nPublicKey = xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n"
    "AllowedIPs = 10.0.0.0/16\nEndpoint = 198.51.100.10:51900, hq.example.net:51901\n";

Config parse(const std::string& text) {
  auto config = parse_config({{"t.conf", text}});
  if (!config) FAIL(config.error().message);
  return *config;
}

Machine machine() {
  Machine m;
  m.interfaces.push_back({LinkInfo{.index = 2, .name = "eth1", .mtu = 1492, .up = true},
                          {{*IpAddress::parse("192.0.2.10"), 24}}});
  m.interfaces.push_back({LinkInfo{.index = 3, .name = "wwan0", .mtu = 1500, .up = true}, {}});
  m.default_routes.push_back({.device = "eth1"});
  m.default_routes.push_back({.device = "wb0"});
  m.default_routes.push_back({.device = "wwan0"});
  m.default_routes.push_back({.device = "eth1", .is_v4 = false});
  return m;
}

/// Those that are in use; the others are spare places.
std::size_t named_count(const Plan& plan) {
  return static_cast<std::size_t>(
      std::count_if(plan.wans.begin(), plan.wans.end(),
                    [](const WanPlan& w) { return !w.settings.name.empty(); }));
}

WanPlan by_pattern(const std::string& pattern, const std::string& device = "") {
  WanPlan wan;
  wan.pattern = pattern;
  wan.socket.device = device;
  return wan;
}

}  // namespace

TEST_SUITE("plan") {
  TEST_CASE("without a [Wan] every interface with a default route is one, but the TUN") {
    const auto plan = make_plan(parse(kHead), machine());
    REQUIRE(plan);
    REQUIRE(named_count(*plan) == 2);
    CHECK(plan->wans.size() == kAutomaticWansMax);
    CHECK(plan->node.wans[2].name.empty());
    CHECK(plan->wans[0].settings.name == "eth1");
    CHECK(plan->wans[1].settings.name == "wwan0");
    CHECK(plan->wans[0].socket.fwmark == kDefaultMark);
    CHECK(plan->wans[0].socket.port == 51900);
    CHECK(make_plan(parse(kHead), Machine{}).error().message ==
          "t.conf: no [Wan] section, and no interface has a default route; add [Wan NAME] with its "
          "Device");
  }

  TEST_CASE("the TUN gets the lowest WAN MTU less 80, never below 1280") {
    CHECK(make_plan(parse(kHead), machine())->node.tun_mtu_bytes == 1412);
    Machine small = machine();
    small.interfaces[1].link.mtu = 1300;
    CHECK(make_plan(parse(kHead), small)->node.tun_mtu_bytes == 1280);
  }

  TEST_CASE("every WAN has a path to every endpoint and to where the peer calls from") {
    const auto plan = make_plan(parse(kHead), machine());
    REQUIRE(plan);
    const PeerSettings& peer = plan->node.peers.at(0);
    CHECK(peer.endpoints.size() == 1 + kAddressesPerName);
    CHECK(peer.paths.size() == kAutomaticWansMax * (peer.endpoints.size() + 1));
    CHECK(peer.endpoints[0].port == 51900);
    CHECK(peer.endpoints[1].port == 0);
    REQUIRE(plan->queries.size() == 1);
    CHECK(plan->queries[0].endpoint == 1);
    CHECK(plan->queries[0].host == "hq.example.net");
    CHECK(plan->queries[0].port == 51901);
  }

  TEST_CASE("Paths choose, by name of WAN or interface") {
    const auto plan =
        make_plan(parse(kHead + "Paths = wwan0>hq.example.net:51901, eth1>any\n"), machine());
    REQUIRE(plan);
    const auto& paths = plan->node.peers[0].paths;
    REQUIRE(paths.size() == kAddressesPerName + 1);
    CHECK(paths[0].wan == SocketId{1});
    CHECK(paths[0].endpoint == 1u);
    CHECK(paths[kAddressesPerName - 1].endpoint == kAddressesPerName);
    CHECK_FALSE(paths.back().endpoint);
    CHECK(make_plan(parse(kHead + "Paths = dsl>any\n"), machine()).error().message ==
          "t.conf:3: Paths of [Peer hq]: there is no WAN dsl; give it a [Wan dsl] section");
  }

  TEST_CASE("a WAN by Source finds its device, or waits for it") {
    const auto plan =
        make_plan(parse(kHead + "[Wan a]\nSource = 192.0.2.10\n[Wan b]\nSource = 192.0.2.99\n"
                                "[Wan c]\nDevice = ppp0\n"),
                  machine());
    REQUIRE(plan);
    CHECK(plan->wans[0].socket.device == "eth1");
    CHECK(plan->wans[0].present);
    CHECK_FALSE(plan->wans[1].present);
    CHECK(plan->warnings ==
          std::vector<std::string>{
              "t.conf:9: no interface has the address 192.0.2.99; [Wan b] waits for it",
              "t.conf:11: device ppp0 does not exist; [Wan c] waits for it"});
  }

  TEST_CASE("a pattern finds a device, follows it over a new name and leaves taken ones alone") {
    Machine m = machine();
    CHECK(device_of(m, by_pattern("ppp*"), {}).empty());
    m.interfaces.push_back({LinkInfo{.index = 7, .name = "ppp0", .up = true, .running = true}, {}});
    CHECK(device_of(m, by_pattern("ppp*"), {}) == "ppp0");
    m.interfaces.push_back({LinkInfo{.index = 8, .name = "ppp1", .up = true, .running = true}, {}});
    CHECK(device_of(m, by_pattern("ppp*"), {}) == "ppp0");
    CHECK(device_of(m, by_pattern("ppp*", "ppp1"), {}) == "ppp1");  // stays where it is
    CHECK(device_of(m, by_pattern("ppp*"), {"ppp0"}) == "ppp1");
    m.interfaces[2].link.running = false;
    CHECK(device_of(m, by_pattern("ppp*", "ppp0"), {}) == "ppp1");
    CHECK(device_of(m, by_pattern("ppp[23]"), {}).empty());
    WanPlan fixed;
    fixed.socket.device = "eth9";
    CHECK(device_of(m, fixed, {}) == "eth9");  // waits for it
  }

  TEST_CASE("a WAN by Source follows its address to another device") {
    Machine m = machine();
    WanPlan wan;
    wan.follows_source = true;
    wan.source = *IpAddress::parse("192.0.2.10");
    CHECK(device_of(m, wan, {}) == "eth1");
    wan.socket.device = "eth1";
    std::swap(m.interfaces[0].addresses, m.interfaces[1].addresses);
    CHECK(device_of(m, wan, {}) == "wwan0");
  }

  TEST_CASE("a name gives two addresses of each family, and keeps those that are still listed") {
    const auto at = [](const char* text) { return *Endpoint::parse(text); };
    const Endpoint a = at("192.0.2.1:1"), b = at("192.0.2.2:1"), c = at("192.0.2.3:1"),
                   six = at("[2001:db8::1]:1");
    HostNames::Known known = HostNames::update({}, {a, b, c, six});
    CHECK(known == HostNames::Known{a, b, six, {}});
    CHECK(HostNames::update(known, {six, c, b, a}) == known);  // round robin
    CHECK(HostNames::update(known, {c, b}) == HostNames::Known{c, b, {}, {}});
    CHECK(HostNames::update(known, {}) == HostNames::Known{});
  }
}
