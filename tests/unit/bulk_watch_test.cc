// BulkWatch (sched/bulk_watch): a flow of even pace before a path of 1 MB/s.
#include "sched/bulk_watch.h"

#include <doctest/doctest.h>

using namespace wanbond;

namespace {

struct Bench {
  BulkWatch watch;
  Time now{1s};
  BulkPath path{1e6, true};

  BulkStage run(Duration time, double share) {
    const auto bytes = static_cast<std::uint32_t>(share * 1e6 / 200);
    for (const Time end = now + time; now < end; now += 5ms) watch.on_packet(now, bytes, path);
    return watch.stage();
  }
};

}  // namespace

TEST_SUITE("bulk watch") {
  TEST_CASE("a flow that fills its path for 4 s is bulk, and numbered 3 s before") {
    Bench bench;
    CHECK(bench.run(900ms, 0.8) == BulkStage::Plain);
    CHECK(bench.run(200ms, 0.8) == BulkStage::Numbered);
    CHECK(bench.run(2800ms, 0.8) == BulkStage::Numbered);
    CHECK(bench.run(200ms, 0.8) == BulkStage::Bulk);
    CHECK(bench.run(60s, 1.9) == BulkStage::Bulk);
  }

  TEST_CASE("a flow below three quarters of its path stays plain, one second begins anew") {
    Bench bench;
    CHECK(bench.run(20s, 0.7) == BulkStage::Plain);
    CHECK(bench.run(3500ms, 0.9) == BulkStage::Numbered);
    CHECK(bench.run(1500ms, 0.5) == BulkStage::Plain);
    CHECK(bench.run(3s, 0.9) == BulkStage::Numbered);
  }

  TEST_CASE(
      "a flow that leaves no queue in its path stays plain, whatever the path is known to carry") {
    Bench bench;
    bench.path.is_busy = false;
    CHECK(bench.run(20s, 2) == BulkStage::Plain);
    bench.path.is_busy = true;
    CHECK(bench.run(5s, 2) == BulkStage::Bulk);
    bench.path.is_busy = false;  // its queue stands in the bond now
    CHECK(bench.run(20s, 1) == BulkStage::Bulk);
  }

  TEST_CASE("a thin flow stays plain, however little its path is believed to carry") {
    Bench bench;
    bench.path.capacity = 50e3;
    CHECK(bench.run(20s, 0.12) == BulkStage::Plain);
    CHECK(bench.run(5s, 0.13) == BulkStage::Bulk);
  }

  TEST_CASE("bulk ends after 4 s below half, numbered for a second more, or 2 s of silence") {
    Bench bench;
    CHECK(bench.run(5s, 1) == BulkStage::Bulk);
    CHECK(bench.run(20s, 0.55) == BulkStage::Bulk);
    CHECK(bench.run(2s, 0.2) == BulkStage::Bulk);
    CHECK(bench.run(2s, 0.8) == BulkStage::Bulk);
    CHECK(bench.run(4200ms, 0.2) == BulkStage::Numbered);
    CHECK(bench.run(1s, 0.2) == BulkStage::Plain);
    CHECK(bench.run(5s, 1) == BulkStage::Bulk);
    bench.now += 900ms;
    CHECK(bench.run(5ms, 1) == BulkStage::Bulk);
    bench.now += 2s;
    CHECK(bench.run(5ms, 1) == BulkStage::Plain);
  }

  TEST_CASE("with one path, or none that is known, there is nothing to gain") {
    Bench bench;
    CHECK(bench.run(5s, 1) == BulkStage::Bulk);
    bench.path.capacity = 0;
    CHECK(bench.run(5ms, 1) == BulkStage::Plain);
    CHECK(bench.run(10s, 1) == BulkStage::Plain);
  }
}
