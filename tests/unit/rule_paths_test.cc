// Where the flows of a rule go: each mode over paths that fail, return and change their delay.
#include "sched/rule_paths.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace wanbond;

namespace {

constexpr auto kUsable = Usability::Usable;
constexpr SocketId kFiber{0}, kLte{1}, kSat{2};

RulePath path(SocketId wan, Duration delay, Usability usability = kUsable, unsigned rank = 0) {
  return {{PathId{static_cast<std::uint8_t>(wan.value)}, usability, rank, delay}, wan};
}

PathId id(SocketId wan) { return PathId{static_cast<std::uint8_t>(wan.value)}; }

/// A rule with its paths.
struct Placed {
  FlowRule rule;
  std::vector<RulePath> paths{path(kFiber, 10ms), path(kLte, 20ms), path(kSat, 300ms)};
  RulePaths placed = {};
  Time now{1s};

  void update() {
    now += 1ms;
    placed.update(now, rule, paths);
  }
  std::optional<PathId> choose(std::uint64_t digest = 1, std::optional<PathId> before = {}) const {
    return placed.choose(rule, digest, before);
  }
  void set(SocketId wan, Usability usability) {
    paths[wan.value].view.usability = usability;
    update();
  }
};

}  // namespace

TEST_SUITE("rule_paths") {
  TEST_CASE("pinned takes the first WAN of its list, another one on failure, and returns") {
    Placed p{.rule = {.mode = RuleMode::Pinned, .wans = {kLte, kFiber}}};
    p.update();
    CHECK(p.choose() == id(kLte));
    p.set(kLte, Usability::LastResort);
    CHECK(p.choose() == id(kFiber));
    p.set(kFiber, Usability::Never);
    CHECK(p.choose() == id(kSat));  // not in the list, but there is no other
    p.set(kSat, Usability::Never);
    CHECK(p.choose() == id(kLte));
    p.set(kLte, Usability::Never);
    CHECK_FALSE(p.choose());
    p.set(kSat, kUsable);
    CHECK(p.choose() == id(kSat));
    p.set(kLte, kUsable);
    CHECK(p.placed.next_timeout() == p.now + 100ms);  // it may go again at once
    p.now += 100ms;
    p.update();
    CHECK(p.choose() == id(kLte));
  }

  TEST_CASE("no other mode leaves its list") {
    for (const RuleMode mode : {RuleMode::LowestDelay, RuleMode::Handoff, RuleMode::Duplicate,
                                RuleMode::Hash, RuleMode::Overflow}) {
      Placed p{.rule = {.mode = mode, .wans = {kLte, kSat}}};
      p.paths[kLte.value].view.usability = Usability::Never;
      p.update();
      CHECK(p.choose() == id(kSat));
      CHECK(p.placed.copies().empty());
      p.set(kSat, Usability::Never);
      CHECK_FALSE(p.choose());
    }
  }

  TEST_CASE("without a list ranks count: a backup WAN is not used beside a better one") {
    for (const RuleMode mode : {RuleMode::LowestDelay, RuleMode::Handoff, RuleMode::Hash}) {
      Placed p{.rule = {.mode = mode, .wans = {}}};
      p.paths = {path(kFiber, 10ms, kUsable, 1000), path(kLte, 20ms)};
      p.update();
      for (std::uint64_t digest = 0; digest < 32; ++digest) CHECK(p.choose(digest) == id(kLte));
    }
  }

  TEST_CASE("lowest-delay moves only to a path that is clearly faster for 100 ms") {
    Placed p{.rule = {.mode = RuleMode::LowestDelay, .wans = {}}};
    p.update();
    CHECK(p.choose() == id(kFiber));
    p.paths[kFiber.value].view.delay = 21ms;
    p.update();
    p.now += 1s;
    p.update();
    CHECK(p.choose() == id(kFiber));
    p.paths[kFiber.value].view.delay = 40ms;
    p.update();
    CHECK(p.choose() == id(kFiber));
    p.now = p.placed.next_timeout();
    p.update();
    CHECK(p.choose() == id(kLte));
  }

  TEST_CASE("handoff moves a flow only when its path fails or a preferred one is there") {
    Placed p{.rule = {.mode = RuleMode::Handoff, .wans = {}}};
    p.update();
    CHECK(p.choose(1, id(kSat)) == id(kSat));  // slow, but it works
    CHECK(p.choose() == id(kFiber));
    p.set(kSat, Usability::LastResort);
    CHECK(p.choose(1, id(kSat)) == id(kFiber));
    p.rule.wans = {kLte, kSat};
    p.set(kSat, kUsable);
    CHECK(p.choose(1, id(kSat)) == id(kLte));
  }

  TEST_CASE("overflow takes its WANs in order, whatever their delay") {
    Placed p{.rule = {.mode = RuleMode::Overflow, .wans = {kLte, kFiber}}};
    p.update();
    CHECK(p.choose() == id(kLte));
    CHECK(p.choose(1, id(kFiber)) == id(kFiber));
    p.rule.wans.clear();
    p.paths[kFiber.value].view.rank = 1000;  // metered
    p.update();
    CHECK(p.choose() == id(kLte));
    p.paths[kLte.value].view.delay = 400ms;
    p.update();
    CHECK(p.choose() == id(kLte));
    p.set(kLte, Usability::LastResort);
    CHECK(p.choose(1, id(kLte)) == id(kSat));
  }

  TEST_CASE("duplicate takes as many WANs as told, the best first, each once") {
    Placed p{.rule = {.mode = RuleMode::Duplicate, .copies = 2, .wans = {}}};
    p.paths.push_back({{PathId{9}, kUsable, 0, 11ms}, kFiber});  // another path of the same WAN
    p.update();
    CHECK(p.choose() == id(kFiber));
    REQUIRE(p.placed.copies().size() == 1);
    CHECK(p.placed.copies()[0] == id(kLte));
    p.rule.copies = 4;
    p.update();
    CHECK(p.placed.copies().size() == 2);
    p.rule = {.mode = RuleMode::Duplicate, .copies = 2, .wans = {kSat, kLte}};
    p.update();
    CHECK(p.choose() == id(kSat));
    CHECK(p.placed.copies()[0] == id(kLte));
    p.set(kSat, Usability::LastResort);  // still good for a copy
    CHECK(p.choose() == id(kLte));
    CHECK(p.placed.copies()[0] == id(kSat));
  }

  TEST_CASE("hash spreads flows evenly, and a failure moves only those of the failed WAN") {
    Placed p{.rule = {.mode = RuleMode::Hash, .wans = {kFiber, kLte, kSat}}};
    p.update();
    std::map<PathId, int> counts;
    std::vector<PathId> before;
    for (std::uint64_t flow = 0; flow < 3000; ++flow) {
      before.push_back(*p.choose(flow * 0x9e3779b97f4a7c15));
      ++counts[before.back()];
    }
    REQUIRE(counts.size() == 3);
    for (const auto& [_, count] : counts) CHECK(count == doctest::Approx(1000).epsilon(0.1));
    p.set(kLte, Usability::Never);
    for (std::uint64_t flow = 0; flow < 3000; ++flow) {
      const auto now = p.choose(flow * 0x9e3779b97f4a7c15);
      CHECK((before[flow] == id(kLte) ? now != id(kLte) : now == before[flow]));
    }
    p.set(kLte, kUsable);
    for (std::uint64_t flow = 0; flow < 3000; ++flow)
      CHECK(p.choose(flow * 0x9e3779b97f4a7c15) == before[flow]);
  }

  TEST_CASE("MaxExtraDelay leaves out what is slower than the fastest by more") {
    Placed p{.rule = {.mode = RuleMode::Pinned, .wans = {kSat}, .extra_delay_max = 290ms}};
    p.update();
    CHECK(p.choose() == id(kSat));  // exactly as much more
    p.rule.extra_delay_max = 289ms;
    p.update();
    CHECK(p.choose() == id(kFiber));
    p.set(kFiber, Usability::Never);
    p.set(kLte, Usability::Never);
    CHECK(p.choose() == id(kSat));  // now it is the fastest
  }
}
