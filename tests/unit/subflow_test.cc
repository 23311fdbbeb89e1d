#include "sched/subflow.h"

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace wanbond;

namespace {

constexpr Time kStart{1s};
const std::vector<SubflowPath> kPaths{{.id = {0}, .delay = 10ms},
                                      {.id = {1}, .delay = 35ms},
                                      {.id = {2}, .delay = 12ms},
                                      {.id = {3}, .rank = 1, .delay = 9ms}};

/// Places `count` subflows of one connection, numbered from 1 on; their paths.
std::vector<int> place(SubflowGroups& groups, ConnectionId connection, int count) {
  std::vector<int> taken;
  for (int flow = 1; flow <= count; ++flow) {
    const PathId path = groups.choose(connection, kPaths, SubflowRole::Active);
    REQUIRE(groups.place(kStart, connection, static_cast<std::uint32_t>(flow), path));
    taken.push_back(path.value);
  }
  return taken;
}

}  // namespace

TEST_SUITE("subflow") {
  TEST_CASE("subflows of a connection take different paths, the nearest delay first") {
    SubflowGroups groups;
    const auto connection = groups.open(kStart, 77);
    REQUIRE(connection);
    CHECK(place(groups, *connection, 4) == std::vector{0, 2, 1, 3});
    CHECK(place(groups, *groups.open(kStart, 78), 6) == std::vector{0, 2, 1, 3, 0, 2});
  }

  TEST_CASE("a backup goes where it disturbs least") {
    SubflowGroups groups;
    const auto connection = groups.open(kStart, 77);
    CHECK(groups.choose(*connection, kPaths, SubflowRole::Backup) == PathId{3});
    CHECK(groups.choose(*connection, std::span(kPaths).first(3), SubflowRole::Backup) == PathId{1});
  }

  TEST_CASE("a place that a subflow leaves is the next one's") {
    SubflowGroups groups;
    const auto connection = groups.open(kStart, 77);
    (void)place(groups, *connection, 4);
    groups.remove(*connection, 2);
    CHECK(groups.count(*connection, {2}) == 0);
    CHECK(groups.choose(*connection, kPaths, SubflowRole::Active) == PathId{2});
    groups.remove(*connection, 2);  // a second time: nothing
    CHECK(groups.count(*connection, {1}) == 1);
  }

  TEST_CASE("a subflow that moves is counted once") {
    SubflowGroups groups;
    const auto connection = groups.open(kStart, 77);
    CHECK(groups.place(kStart, *connection, 1, {0}));
    CHECK(groups.place(kStart, *connection, 1, {1}));
    CHECK(groups.count(*connection, {0}) == 0);
    CHECK(groups.count(*connection, {1}) == 1);
  }

  TEST_CASE("a connection has no more subflows than Linux makes") {
    SubflowGroups groups;
    const auto connection = groups.open(kStart, 77);
    (void)place(groups, *connection, SubflowGroups::kSubflowsMax);
    CHECK_FALSE(groups.place(kStart, *connection, 100, {0}));
    CHECK(groups.place(kStart, *connection, 1, {1}));  // a known one may move
  }

  TEST_CASE("both ends' tokens find the connection, and tell whose they are") {
    SubflowGroups groups;
    const auto connection = groups.open(kStart, 77);
    CHECK(groups.open(kStart, 77) == connection);
    CHECK_FALSE(groups.find(99));
    groups.add_token(*connection, 99);
    groups.add_token(*connection, 99);
    CHECK(groups.find(77)->connection == *connection);
    CHECK(groups.find(77)->end == 1);
    CHECK(groups.find(99)->connection == *connection);
    CHECK(groups.find(99)->end == 0);
    CHECK_FALSE(groups.find(0));
  }

  TEST_CASE("a flood of connections drives no used one out, and is forgotten after 2 s") {
    SubflowGroups groups;
    std::set<std::uint32_t> kept;
    for (std::uint32_t token = 0; token < 100; ++token) {
      const auto connection = groups.open(kStart, token * 2654435761U);
      REQUIRE(connection);
      REQUIRE(groups.place(kStart, *connection, 1, {0}));
      kept.insert(token * 2654435761U);
    }
    std::size_t refused = 0;
    for (std::uint32_t i = 0; i < 1'000'000; ++i)
      refused += groups.open(kStart + 1s, i * 40503U + 7) ? 0 : 1;
    CHECK(refused > 900'000);
    for (const std::uint32_t token : kept) CHECK(groups.find(token));
    CHECK(groups.connection_count(kStart + 1s) <= SubflowGroups::kConnectionsMax);
    CHECK(groups.connection_count(kStart + 5s) == kept.size());
    CHECK(groups.open(kStart + 5s, 123456));
    CHECK(groups.connection_count(kStart + SubflowGroups::kIdleMax + 6s) == 0);
  }
}
