#include "sched/flow.h"

#include <doctest/doctest.h>

#include <set>

using namespace wanbond;

namespace {

constexpr Time kStart{1s};
// Digests of one set: the upper half chooses it.
constexpr std::uint64_t same_set(std::uint64_t i) { return 5ULL << 32 | i; }

}  // namespace

TEST_SUITE("flow") {
  TEST_CASE("a flow keeps its streams, which no other flow has, and its numbers") {
    FlowTable table;
    std::set<std::uint16_t> streams;
    for (std::uint64_t i = 0; i < 100; ++i) {
      Flow* flow = table.use(kStart, i * 0x9e3779b97f4a7c15, FlowKind::Tcp);
      REQUIRE(flow != nullptr);
      CHECK(streams.insert(flow->stream(FlowTrack::Data)).second);
      CHECK(streams.insert(flow->stream(FlowTrack::Acks)).second);
      flow->advance(FlowTrack::Data, static_cast<std::uint32_t>(i));
    }
    CHECK(*streams.begin() >= 1);
    CHECK(*streams.rbegin() <= FlowTable::kStreamsMax);
    for (std::uint64_t i = 0; i < 100; ++i) {
      const Flow* flow = table.use(kStart, i * 0x9e3779b97f4a7c15, FlowKind::Tcp);
      CHECK(flow->next(FlowTrack::Data) == i);
      CHECK(flow->next(FlowTrack::Acks) == 0);
    }
  }

  TEST_CASE("a stream is given to another flow after 2 s, and its numbers go on") {
    FlowTable table;
    Flow* first = table.use(kStart, same_set(0), FlowKind::Tcp);
    first->advance(FlowTrack::Data, 7);
    const std::uint16_t stream = first->stream(FlowTrack::Data);
    first->close();
    for (std::uint64_t i = 1; i < 8; ++i) (void)table.use(kStart, same_set(i), FlowKind::Tcp);
    CHECK(table.use(kStart + 1999ms, same_set(100), FlowKind::Tcp) == nullptr);
    const Flow* next = table.use(kStart + 2s, same_set(100), FlowKind::Tcp);
    REQUIRE(next != nullptr);
    CHECK(next->stream(FlowTrack::Data) == stream);
    CHECK(next->next(FlowTrack::Data) == 7);
    CHECK(next->is_new(FlowTrack::Data));
  }

  TEST_CASE("a flood of new flows finds no place, but drives no living flow out") {
    FlowTable table;
    std::array<std::uint16_t, 8> streams{};
    for (std::uint64_t i = 0; i < 8; ++i)
      for (int n = 0; n < 8; ++n)
        streams[i] = table.use(kStart, same_set(i), FlowKind::Tcp)->stream(FlowTrack::Data);
    for (std::uint64_t i = 0; i < 1000; ++i)
      CHECK(table.use(kStart + 60s, same_set(1000 + i), FlowKind::Tcp) == nullptr);
    for (std::uint64_t i = 0; i < 8; ++i)
      CHECK(table.use(kStart + 61s, same_set(i), FlowKind::Tcp)->stream(FlowTrack::Data) ==
            streams[i]);
    CHECK(table.use(kStart + 61s + 5min, same_set(5000), FlowKind::Tcp) != nullptr);
  }

  TEST_CASE("a flow is new until something of it was acknowledged, and after a restart") {
    FlowTable table;
    Flow* flow = table.use(kStart, same_set(3), FlowKind::Tcp);
    CHECK(flow->is_new(FlowTrack::Data));
    table.on_acknowledged(flow->stream(FlowTrack::Data));
    CHECK_FALSE(flow->is_new(FlowTrack::Data));
    CHECK(flow->is_new(FlowTrack::Acks));
    table.on_acknowledged(0);  // no stream
    table.on_acknowledged(FlowTable::kStreamsMax + 1);
    table.on_peer_restarted();
    CHECK(flow->is_new(FlowTrack::Data));
  }

  TEST_CASE("flows are counted by kind while they live") {
    FlowTable table;
    (void)table.use(kStart, 1ULL << 32, FlowKind::Tcp);
    (void)table.use(kStart, 2ULL << 32, FlowKind::Udp);
    (void)table.use(kStart, 3ULL << 32, FlowKind::Udp);
    table.use(kStart, 4ULL << 32, FlowKind::Tcp)->close();
    CHECK(table.count(kStart + 1s) == FlowTable::Counts{0, 1, 2, 0});
    CHECK(table.count(kStart + 61s) == FlowTable::Counts{0, 0, 0});
  }
}
