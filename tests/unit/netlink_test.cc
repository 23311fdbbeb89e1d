// The rtnetlink client in network namespaces of the test's own, against what `ip` says.
#include "io/netlink.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <functional>
#include <string>

using namespace wanbond;

namespace {

/// Runs `body` in a child with its own network namespace and a dummy-like pair wbn0/wbn1.
void in_namespace(const std::function<void(Netlink&)>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(77);
    if (std::system("ip link add wbn0 type veth peer name wbn1") != 0) ::_exit(77);
    int code = 1;
    try {
      Result<Netlink> netlink = Netlink::open();
      REQUIRE(netlink);
      body(*netlink);
      code = 0;
    } catch (...) {
      code = 1;  // a REQUIRE; it has said what it wanted
    }
    ::_exit(code);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
    MESSAGE("skipped: no permission for a network namespace with a veth pair");
  else
    CHECK(status == 0);
}

std::string output_of(const char* command) {
  std::string text;
  FILE* pipe = ::popen(command, "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), pipe) != nullptr) text += part.data();
  ::pclose(pipe);
  return text;
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

InterfaceAddress address(const char* text, unsigned length) {
  return {*IpAddress::parse(text), length};
}

}  // namespace

TEST_SUITE("netlink") {
  TEST_CASE("links are listed with name, MTU and state, and can be changed") {
    in_namespace([](Netlink& netlink) {
      const auto links = netlink.links();
      REQUIRE(links);
      REQUIRE(links->size() == 3);
      const auto lo = netlink.link("lo");
      REQUIRE(lo);
      REQUIRE(lo->loopback);
      REQUIRE(!lo->up);
      REQUIRE(netlink.set_up("wbn0"));
      REQUIRE(netlink.set_up("wbn1"));
      REQUIRE(netlink.set_mtu("wbn0", 1400));
      const auto link = netlink.link("wbn0");
      REQUIRE(link);
      REQUIRE(link->up);
      REQUIRE(link->running);
      REQUIRE(link->mtu == 1400);
      REQUIRE(!link->loopback);
    });
  }

  TEST_CASE("an error names the attempt and the reason") {
    in_namespace([](Netlink& netlink) {
      const auto absent = netlink.link("wb-absent0");
      REQUIRE(!absent);
      REQUIRE(contains(absent.error().message, "wb-absent0"));
      const auto small = netlink.set_mtu("wbn0", 10);
      REQUIRE(!small);
      REQUIRE(contains(small.error().message, "MTU of wbn0 to 10"));
      REQUIRE(contains(small.error().message, "Invalid argument"));
    });
  }

  TEST_CASE("addresses of both families come and go, twice without harm") {
    in_namespace([](Netlink& netlink) {
      REQUIRE(netlink.set_up("wbn0"));
      for (int twice = 0; twice < 2; ++twice) {
        REQUIRE(netlink.add_address("wbn0", address("10.8.0.2", 24)));
        REQUIRE(netlink.add_address("wbn0", address("fd88::2", 64)));
      }
      const std::string shown = output_of("ip -o address show dev wbn0");
      REQUIRE(contains(shown, "10.8.0.2/24"));
      REQUIRE(contains(shown, "fd88::2/64"));
      const auto found = netlink.addresses("wbn0");
      REQUIRE(found);
      int known = 0;
      for (const InterfaceAddress& a : *found) {
        if (a.address.to_string() == "10.8.0.2" && a.length == 24) ++known;
        if (a.address.to_string() == "fd88::2" && a.length == 64) ++known;
      }
      REQUIRE(known == 2);
      for (int twice = 0; twice < 2; ++twice) {
        REQUIRE(netlink.remove_address("wbn0", address("10.8.0.2", 24)));
        REQUIRE(netlink.remove_address("wbn0", address("fd88::2", 64)));
      }
      REQUIRE(!contains(output_of("ip -o address show dev wbn0"), "fd88::2"));
    });
  }

  TEST_CASE("default routes are found with device, gateway and metric, ours left out") {
    in_namespace([](Netlink& netlink) {
      REQUIRE(std::system("ip link set wbn0 up; ip link set wbn1 up;"
                          "ip address add 10.8.0.2/24 dev wbn0;"
                          "ip address add 10.9.0.2/24 dev wbn1;"
                          "ip -6 address add fd88::2/64 dev wbn0 nodad;"
                          "ip route add default via 10.9.0.1 dev wbn1 metric 200;"
                          "ip route add default via 10.8.0.1 dev wbn0 metric 100;"
                          "ip route add default via 10.8.0.9 dev wbn0 metric 300 proto 119;"
                          "ip route add default via 10.8.0.8 dev wbn0 table 77;"
                          "ip -6 route add default via fd88::1 dev wbn0 metric 50") == 0);
      const auto routes = netlink.default_routes();
      REQUIRE(routes);
      REQUIRE(routes->size() == 3);
      REQUIRE((*routes)[0].gateway.to_string() == "fd88::1");
      REQUIRE(!(*routes)[0].is_v4);
      REQUIRE((*routes)[1].gateway.to_string() == "10.8.0.1");
      REQUIRE((*routes)[1].metric == 100);
      REQUIRE((*routes)[1].device == "wbn0");
      REQUIRE((*routes)[2].device == "wbn1");
      REQUIRE(std::system("ip route add default metric 10 nexthop via 10.8.0.1 dev wbn0 "
                          "nexthop via 10.9.0.1 dev wbn1") == 0);
      const auto more = netlink.default_routes();
      REQUIRE(more);
      REQUIRE(more->size() == 5);
      REQUIRE((*more)[0].gateway.to_string() == "10.8.0.1");
      REQUIRE((*more)[1].gateway.to_string() == "10.9.0.1");
    });
  }

  TEST_CASE("routes are added, replaced and removed in any table") {
    in_namespace([](Netlink& netlink) {
      REQUIRE(netlink.set_up("wbn0"));
      REQUIRE(netlink.add_address("wbn0", address("10.8.0.2", 24)));
      const Route on_link{.prefix = *Prefix::parse("10.20.0.0/16"), .device = "wbn0"};
      // A gateway outside every subnet: taken to be on the link.
      const Route by_gateway{.prefix = *Prefix::parse("0.0.0.0/0"),
                             .device = "wbn0",
                             .gateway = *IpAddress::parse("192.0.2.1"),
                             .source = *IpAddress::parse("10.8.0.2"),
                             .metric = 7,
                             .table = 51900};
      const Route six{.prefix = *Prefix::parse("fd99::/48"), .device = "wbn0", .metric = 20};
      Route none{.prefix = *Prefix::parse("10.20.0.0/16"), .kind = Route::Kind::Unreachable};
      none.metric = 4294967295U;
      Route none6{.prefix = *Prefix::parse("fd99::/48"), .kind = Route::Kind::Unreachable};
      none6.metric = 4294967295U;
      for (int twice = 0; twice < 2; ++twice)
        for (const Route& route : {on_link, by_gateway, six, none, none6})
          REQUIRE(netlink.replace_route(route));
      const std::string main = output_of("ip route; ip -6 route");
      REQUIRE(contains(main, "10.20.0.0/16 dev wbn0 proto 119 scope link"));
      REQUIRE(contains(main, "unreachable 10.20.0.0/16 proto 119 metric 4294967295"));
      REQUIRE(contains(main, "fd99::/48 dev wbn0 proto 119 metric 20"));
      REQUIRE(contains(main, "unreachable fd99::/48 dev lo proto 119 metric 4294967295"));
      REQUIRE(contains(output_of("ip route show table 51900"),
                       "default via 192.0.2.1 dev wbn0 proto 119 src 10.8.0.2 metric 7 onlink"));
      for (int twice = 0; twice < 2; ++twice)
        for (const Route& route : {on_link, by_gateway, six, none, none6})
          REQUIRE(netlink.remove_route(route));
      REQUIRE(!contains(output_of("ip route; ip -6 route; ip route show table all"), "119"));
      const auto bad = netlink.replace_route(
          {.prefix = *Prefix::parse("10.20.0.0/16"), .gateway = *IpAddress::parse("192.0.2.1")});
      REQUIRE(!bad);
      REQUIRE(contains(bad.error().message, "10.20.0.0/16 by 192.0.2.1"));
    });
  }

  TEST_CASE("rules are added and removed, and sweep takes all that is ours and nothing else") {
    in_namespace([](Netlink& netlink) {
      REQUIRE(netlink.set_up("wbn0"));
      REQUIRE(std::system("ip rule add priority 90 fwmark 5 table 5;"
                          "ip route add 10.30.0.0/16 dev wbn0") == 0);
      Rule mark{.priority = 100, .fwmark = 0x51, .fwmark_mask = 0xff, .table = 51900};
      Rule rest{.family = Rule::Family::V6, .sense = Rule::Sense::NotMatching, .priority = 101};
      rest.fwmark = 0x51;
      rest.fwmark_mask = 0xffffffff;
      rest.table = 300;
      Rule suppress{.priority = 102, .suppress_prefix_length = 0};
      Rule out{.priority = 103, .output_device = "wbn0", .table = 301};
      Rule web{.priority = 104, .source = *Prefix::parse("10.1.0.0/16"), .protocol = 6};
      web.destination_ports = {8000, 8080};
      web.table = 302;
      const Rule jump{.action = Rule::Action::Goto,
                      .priority = 80,
                      .fwmark = 7,
                      .fwmark_mask = ~0U,
                      .target = 105};
      const Rule aim{.action = Rule::Action::Nothing, .priority = 105};
      for (int twice = 0; twice < 2; ++twice)
        for (const Rule& rule : {mark, rest, suppress, out, web, jump, aim})
          REQUIRE(netlink.add_rule(rule));
      std::string shown = output_of("ip rule; ip -6 rule");
      REQUIRE(contains(shown, "100:\tfrom all fwmark 0x51/0xff lookup 51900 proto 119"));
      REQUIRE(contains(shown, "101:\tnot from all fwmark 0x51 lookup 300 proto 119"));
      REQUIRE(contains(shown, "102:\tfrom all lookup main suppress_prefixlength 0 proto 119"));
      REQUIRE(contains(shown, "103:\tfrom all oif wbn0 lookup 301 proto 119"));
      REQUIRE(contains(shown, "104:\tfrom 10.1.0.0/16 ipproto "));  // tcp or 6, by /etc/protocols
      REQUIRE(contains(shown, " dport 8000-8080 lookup 302 proto 119"));
      REQUIRE(contains(shown, "80:\tfrom all fwmark 0x7 goto 105 proto 119"));
      for (int twice = 0; twice < 2; ++twice) REQUIRE(netlink.remove_rule(out));
      REQUIRE(!contains(output_of("ip rule"), "103:"));
      REQUIRE(netlink.replace_route({.prefix = *Prefix::parse("10.31.0.0/16"), .device = "wbn0"}));
      REQUIRE(netlink.replace_route({.prefix = *Prefix::parse("fd99::/48"),
                                     .kind = Route::Kind::Unreachable,
                                     .table = 51900}));
      const auto swept = netlink.sweep();
      REQUIRE(swept);
      REQUIRE(*swept == 8);
      shown = output_of("ip rule; ip -6 rule; ip route show table all; ip -6 route show table all");
      REQUIRE(!contains(shown, "119"));
      REQUIRE(contains(shown, "90:\tfrom all fwmark 0x5 lookup 5"));
      REQUIRE(contains(shown, "10.30.0.0/16"));
      REQUIRE(contains(shown, "32766:"));
      REQUIRE(*netlink.sweep() == 0);
    });
  }

  TEST_CASE("the change monitor wakes for a change and sleeps after it was drained") {
    in_namespace([](Netlink& netlink) {
      const Result<Fd> monitor = open_change_monitor();
      REQUIRE(monitor);
      pollfd readable{.fd = monitor->get(), .events = POLLIN, .revents = 0};
      REQUIRE(::poll(&readable, 1, 0) == 0);
      REQUIRE(netlink.set_up("lo"));
      REQUIRE(::poll(&readable, 1, 1000) == 1);
      drain_changes(monitor->get());
      REQUIRE(::poll(&readable, 1, 50) == 0);
    });
  }
}
