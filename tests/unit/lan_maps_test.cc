// Subnets and their WANs: which packets are meant, at the near side and at the far side, what the
// peer is told and what is believed of it.
#include "core/lan_maps.h"

#include <doctest/doctest.h>

#include <vector>

using namespace wanbond;

namespace {

constexpr Time kStart{1s};
constexpr SocketId kFiber{0}, kLte{1};
const std::vector<Prefix> kAllowed{*Prefix::parse("10.1.0.0/16"), *Prefix::parse("fd00:1::/32")};

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

/// Two WANs with two paths each: 0 and 1 over fiber, 2 and 3 over LTE, which is slower.
std::vector<RulePath> four_paths() {
  std::vector<RulePath> paths;
  for (std::uint8_t i = 0; i < 4; ++i)
    paths.push_back({{PathId{i}, Usability::Usable, 0, 10ms + i * 5ms}, i < 2 ? kFiber : kLte});
  return paths;
}

LanMapFrame map(const char* prefix, std::uint8_t path) {
  return {.prefix = *Prefix::parse(prefix), .path = PathId{path}};
}

const std::vector<LanSettings> kLans{{*Prefix::parse("10.1.0.0/16"), kFiber},
                                     {*Prefix::parse("10.1.2.0/24"), kLte}};
const std::vector<LanSettings> kNone;

}  // namespace

TEST_SUITE("lan_maps") {
  TEST_CASE("the near side goes by the source, the longest prefix counts") {
    LanMaps maps(kLans);
    maps.update(kStart, four_paths());
    CHECK_FALSE(maps.is_empty());
    CHECK(maps.place(ip("10.1.1.1"), ip("10.2.0.1")) == PathId{0});
    CHECK(maps.place(ip("10.1.2.1"), ip("10.2.0.1")) == PathId{2});
    CHECK_FALSE(maps.place(ip("10.3.0.1"), ip("10.1.2.1")));
    CHECK_FALSE(maps.place(ip("::ffff:0:10.1.2.1"), ip("10.2.0.1")));
  }

  TEST_CASE("the far side goes by the destination, as it was told") {
    LanMaps maps(kNone);
    CHECK(maps.is_empty());
    CHECK(maps.on_map(map("10.1.2.0/24", 3), kAllowed));
    CHECK_FALSE(maps.on_map(map("10.1.2.0/24", 3), kAllowed));  // no news
    CHECK(maps.on_map(map("10.1.2.0/24", 2), kAllowed));
    CHECK(maps.on_map(map("10.1.0.0/16", 1), kAllowed));
    CHECK(maps.on_map(map("fd00:1:2::/48", 1), kAllowed));
    maps.update(kStart, four_paths());
    CHECK(maps.place(ip("10.2.0.1"), ip("10.1.2.9")) == PathId{2});  // the faster of the two
    CHECK(maps.place(ip("10.2.0.1"), ip("10.1.3.9")) == PathId{1});
    CHECK(maps.place(ip("fd00:2::1"), ip("fd00:1:2::1")) == PathId{1});
    CHECK_FALSE(maps.place(ip("10.1.2.9"), ip("10.2.0.1")));
    maps.on_peer_restarted();
    CHECK(maps.is_empty());
  }

  TEST_CASE("a mapped subnet takes another WAN while its own fails, and returns") {
    for (const bool is_near : {true, false}) {
      LanMaps maps(is_near ? kLans : kNone);
      if (!is_near) {
        (void)maps.on_map(map("10.1.2.0/24", 2), kAllowed);
        (void)maps.on_map(map("10.1.2.0/24", 3), kAllowed);
      }
      const IpAddress lan = ip("10.1.2.1"), other = ip("10.2.0.1");
      const auto place = [&] { return is_near ? maps.place(lan, other) : maps.place(other, lan); };
      auto paths = four_paths();
      maps.update(kStart, paths);
      CHECK(place() == PathId{2});
      paths[2].view.usability = Usability::Never;
      maps.update(kStart + 1s, paths);
      CHECK(place() == PathId{3});
      paths[3].view.usability = Usability::LastResort;
      maps.update(kStart + 2s, paths);
      CHECK(place() == PathId{0});
      paths[3].view.usability = Usability::Usable;
      maps.update(kStart + 3s, paths);
      REQUIRE(maps.next_timeout() == kStart + 3s + 100ms);
      maps.update(maps.next_timeout(), paths);
      CHECK(place() == PathId{3});
    }
  }

  TEST_CASE("only what lies within AllowedIPs is heard, and only so much of it") {
    LanMaps maps(kNone);
    CHECK_FALSE(maps.on_map(map("10.2.0.0/24", 1), kAllowed));
    CHECK_FALSE(maps.on_map(map("10.0.0.0/8", 1), kAllowed));
    CHECK_FALSE(maps.on_map(map("0.0.0.0/0", 1), kAllowed));
    CHECK(maps.is_empty());
    std::size_t heard = 0;
    for (unsigned i = 0; i < 256; ++i) {
      const Prefix subnet(IpAddress::v4(0x0a010000 + i * 256), 24);
      heard += maps.on_map({.prefix = subnet, .path = PathId{1}}, kAllowed) ? 1 : 0;
    }
    CHECK(heard == LanMaps::kFarMax);
  }

  TEST_CASE("a map is taken back, or ends with its path") {
    LanMaps maps(kNone);
    (void)maps.on_map(map("10.1.2.0/24", 2), kAllowed);
    LanMapFrame back = map("10.1.2.0/24", 2);
    back.remove = true;
    CHECK(maps.on_map(back, kAllowed));
    CHECK_FALSE(maps.on_map(back, kAllowed));
    CHECK(maps.is_empty());
    (void)maps.on_map(map("10.1.2.0/24", 2), kAllowed);
    auto paths = four_paths();
    maps.update(kStart, paths);
    paths.erase(paths.begin() + 2);
    maps.update(kStart + 1s, paths);
    maps.update(kStart + 2s, four_paths());  // another path with that number
    CHECK(maps.place(ip("10.2.0.1"), ip("10.1.2.9")) == PathId{0});
  }

  TEST_CASE("a path tells the subnets of its WAN, in as many packets as it takes, every 5 s") {
    std::vector<LanSettings> lans = kLans;
    for (std::uint32_t i = 0; i < 10; ++i)
      lans.push_back({Prefix(IpAddress::v4(0x0a020000 + i * 256), 24), kLte});
    LanMaps maps(lans);
    const auto tell = [&](Time now) {
      ControlPlan plan;
      maps.add_to(now, PathId{2}, kLte, plan);
      for (const Frame& frame : plan.frames) {
        const auto* told = std::get_if<LanMapFrame>(&frame);
        REQUIRE(told != nullptr);
        CHECK(told->path == PathId{2});
        CHECK(told->prefix != kLans[0].subnet);  // that of the other WAN
      }
      return plan.frames.size();
    };
    CHECK(tell(kStart) == 8);
    CHECK(tell(kStart) == 3);
    CHECK(tell(kStart + 4999ms) == 0);
    CHECK(tell(kStart + 5s) == 8);
  }
}
