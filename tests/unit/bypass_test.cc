// What bypass rules become in the kernel: policy rules, and the routes that go with the WANs.
#include "bypass.h"

#include <doctest/doctest.h>

#include "base/inner.h"

using namespace wanbond;

namespace {

constexpr BypassNumbers kNumbers{.first_table = 600, .fwmark = 0x77620000};

FlowRule bypass(RuleMatch match, std::vector<SocketId> wans = {}) {
  return {.name = "b", .match = std::move(match), .mode = RuleMode::Bypass, .wans = wans};
}

/// eth1 with a default route of both families, wwan0 with one of IPv4 on the link, and a plan with
/// both as WANs.
struct Bench {
  Machine machine;
  Plan plan;

  Bench() {
    add("fiber", "eth1");
    add("lte", "wwan0");
    plan.wans[0].settings.metered = true;
    plan.wans[0].source = *IpAddress::parse("192.0.2.10");
    machine.default_routes = {
        {.device = "eth1", .gateway = *IpAddress::parse("192.0.2.1")},
        {.device = "wwan0", .gateway = IpAddress::v4(0)},
        {.device = "eth1", .gateway = *IpAddress::parse("fe80::1"), .is_v4 = false}};
  }
  void add(const char* name, const char* device) {
    WanPlan wan;
    wan.settings.name = name;
    wan.socket.device = device;
    plan.wans.push_back(wan);
    machine.interfaces.push_back(
        {{.index = 1, .name = device, .mtu = 1500, .up = true, .running = true}, {}});
  }
  std::vector<Route> routes() const { return bypass_routes(machine, plan, kNumbers); }
};

}  // namespace

TEST_SUITE("bypass") {
  TEST_CASE("without a bypass rule there is nothing") {
    CHECK(bypass_rules({{.name = "d", .match = {}, .mode = RuleMode::Drop, .wans = {}}}, kNumbers)
              .empty());
  }

  TEST_CASE("our datagrams jump over all, what main knows better stays, then come the matches") {
    const RuleMatch web{.protocols = {kProtocolTcp},
                        .destination_ports = {{443, 443}, {8000, 8080}},
                        .destinations = {*Prefix::parse("203.0.113.0/24")}};
    const auto rules = bypass_rules({bypass(web), bypass({.protocols = {kProtocolUdp}})}, kNumbers);
    REQUIRE(rules.size() == 3 + 3 + 3 + 1);  // IPv4, and IPv6 without the first rule
    CHECK(rules[0].action == Rule::Action::Goto);
    CHECK(rules[0].fwmark == kNumbers.fwmark);
    CHECK(rules[0].target == rules[2].priority);
    CHECK(rules[1].suppress_prefix_length == 0);
    CHECK(rules[1].suppress_group == kTunGroup);
    CHECK(rules[2].action == Rule::Action::Nothing);
    CHECK(rules[1].priority < rules[3].priority);
    CHECK(rules[3].priority < rules[2].priority);
    CHECK(rules[3].table == 600);
    CHECK(rules[3].protocol == kProtocolTcp);
    CHECK(rules[3].destination == *Prefix::parse("203.0.113.0/24"));
    CHECK(rules[4].destination_ports == Rule::Ports{8000, 8080});
    CHECK(rules[5].table == 601);
    CHECK(rules[9].family == Rule::Family::V6);
    CHECK(rules[9].table == 601);
  }

  TEST_CASE("ports alone are those of TCP and UDP, and lists multiply") {
    CHECK(bypass_rule_count({.destination_ports = {{53, 53}}}) == 4);
    CHECK(bypass_rule_count({.protocols = {1, 17}, .sources = {*Prefix::parse("fd00::/8")}}) == 2);
    CHECK(bypass_rule_count({.protocols = {6, 17},
                             .source_ports = {{1, 1}, {2, 2}},
                             .destination_ports = {{3, 3}, {4, 4}, {5, 5}}}) == 24);
  }

  TEST_CASE("a table has a default route by each WAN that can be used, the best first") {
    Bench b;
    b.plan.node.rules = {bypass({}, {SocketId{0}, SocketId{1}}), bypass({})};
    auto routes = b.routes();
    REQUIRE(routes.size() == 6);
    CHECK(routes[0].device == "eth1");
    CHECK(routes[0].gateway == *IpAddress::parse("192.0.2.1"));
    CHECK(routes[0].source == *IpAddress::parse("192.0.2.10"));
    CHECK(routes[0].metric < routes[2].metric);
    CHECK(routes[1].gateway == *IpAddress::parse("fe80::1"));
    CHECK(routes[1].source == IpAddress());
    CHECK(routes[2].device == "wwan0");
    CHECK(routes[3].table == 601);
    CHECK(routes[3].device == "wwan0");  // not listed: the metered WAN comes last
    b.machine.interfaces[0].link.running = false;
    routes = b.routes();
    REQUIRE(routes.size() == 2);
    CHECK(routes[0].device == "wwan0");
    b.machine.default_routes.clear();
    CHECK(b.routes().empty());
    b.plan.wans[1].gateway = *IpAddress::parse("198.51.100.1");
    CHECK(b.routes().size() == 2);
  }
}
