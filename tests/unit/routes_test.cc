#include "core/routes.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

PeerSettings peer(std::initializer_list<const char*> prefixes, std::uint32_t metric = 100) {
  PeerSettings settings;
  settings.metric = metric;
  for (const char* prefix : prefixes) settings.allowed_ips.push_back(*Prefix::parse(prefix));
  return settings;
}

std::optional<unsigned> find(const RouteTable& routes, const char* address) {
  RouteTable::Memo memo;
  const auto found = routes.find(*IpAddress::parse(address), memo);
  return found ? std::optional<unsigned>(found->value) : std::nullopt;
}

}  // namespace

TEST_SUITE("routes") {
  TEST_CASE("the longest prefix wins, in each family by itself") {
    const RouteTable routes({peer({"10.0.0.0/8", "::/0"}), peer({"10.1.0.0/16", "fd77::/64"}),
                             peer({"10.1.2.3/32", "0.0.0.0/0"})});
    CHECK(find(routes, "10.1.2.3") == 2);
    CHECK(find(routes, "10.1.2.4") == 1);
    CHECK(find(routes, "10.2.0.1") == 0);
    CHECK(find(routes, "11.0.0.1") == 2);
    CHECK(find(routes, "fd77::1") == 1);
    CHECK(find(routes, "fd78::1") == 0);
  }

  TEST_CASE("an address that nobody has goes nowhere") {
    const RouteTable routes({peer({"10.0.0.0/8"})});
    CHECK_FALSE(find(routes, "11.0.0.1"));
    CHECK_FALSE(find(routes, "fd77::1"));
    CHECK_FALSE(find(RouteTable({}), "10.0.0.1"));
  }

  TEST_CASE("of peers with one prefix the lowest metric that is up gets the packets") {
    RouteTable routes({peer({"10.0.0.0/8"}, 200), peer({"10.0.0.0/8"}, 100)});
    CHECK(find(routes, "10.0.0.1") == 1);
    routes.set_up(PeerId{0}, true);
    CHECK(find(routes, "10.0.0.1") == 0);
    routes.set_up(PeerId{1}, true);
    CHECK(find(routes, "10.0.0.1") == 1);
  }

  TEST_CASE("a source is allowed to every holder of its longest prefix, and to no other peer") {
    const RouteTable routes(
        {peer({"10.0.0.0/8"}), peer({"10.1.0.0/16"}), peer({"10.1.0.0/16"}, 50)});
    const auto allowed = [&](std::uint16_t id, const char* address) {
      RouteTable::Memo memo;
      return routes.allows(PeerId{id}, *IpAddress::parse(address), memo);
    };
    CHECK(allowed(0, "10.2.0.1"));
    CHECK_FALSE(allowed(0, "10.1.0.1"));
    CHECK(allowed(1, "10.1.0.1"));
    CHECK(allowed(2, "10.1.0.1"));
    CHECK_FALSE(allowed(1, "10.2.0.1"));
    CHECK_FALSE(allowed(1, "192.0.2.1"));
  }

  TEST_CASE("a memo answers for its own address only, and keeps up with peers that come up") {
    RouteTable routes({peer({"10.0.0.0/8", "::/0"}, 200), peer({"10.0.0.0/8"}, 100)});
    RouteTable::Memo memo;
    CHECK(routes.find(IpAddress(), memo) == PeerId{0});  // "::"
    for (int i = 0; i < 2; ++i) {
      CHECK(routes.find(*IpAddress::parse("10.0.0.1"), memo) == PeerId{1});
      CHECK_FALSE(routes.find(*IpAddress::parse("11.0.0.1"), memo));
      CHECK_FALSE(routes.find(*IpAddress::parse("11.0.0.1"), memo));
      CHECK_FALSE(routes.allows(PeerId{0}, *IpAddress::parse("11.0.0.1"), memo));
    }
    CHECK(routes.find(*IpAddress::parse("10.0.0.1"), memo) == PeerId{1});
    routes.set_up(PeerId{0}, true);
    CHECK(routes.find(*IpAddress::parse("10.0.0.1"), memo) == PeerId{0});
  }
}
