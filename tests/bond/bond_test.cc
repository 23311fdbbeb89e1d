// The short rows of the scheduler's acceptance table as tests; bond_bench runs all of them.
#include <doctest/doctest.h>

#include <string>

#include "tests/bond/rows.h"

using namespace wanbond;
using namespace wanbond::bond;

namespace {

/// The row whose name begins with `number`, over a shorter window.
Figures run_row(const std::string& number, double from_s, double to_s) {
  for (Scenario& row : table_rows()) {
    if (row.name.rfind(number + " ", 0) != 0) continue;
    if (row.watch_s == 0) row.watch_s = from_s;
    row.from_s = from_s;
    row.to_s = to_s;
    MESSAGE("seed 1, row " << row.name);
    return Lab(row, 1).run();
  }
  FAIL("no row " << number);
  return {};
}

}  // namespace

TEST_SUITE("bond simulation") {
  TEST_CASE("row 1: one CUBIC flow fills a fast and a long path") {
    const Figures f = run_row("1", 12, 30);
    CHECK(f.share >= 0.97);
    CHECK(f.ping50_ms <= f.ping_base_ms + 5);
    CHECK(f.ping99_ms <= f.ping_base_ms + 10);
    CHECK(f.depth99 <= 100);
    CHECK(f.timeouts == 0);
  }

  TEST_CASE("row 3: one CUBIC flow fills two equal paths") {
    const Figures f = run_row("3", 6, 16);
    CHECK(f.share >= 0.98);
    CHECK(f.ping99_ms <= f.ping_base_ms + 10);
  }

  TEST_CASE("row 8: when the long path fails, what it held comes over the other within 60 ms") {
    const Figures f = run_row("8", 20.2, 26);
    CHECK(f.share >= 0.98);
    CHECK(f.gap_any_ms <= 60);
    CHECK(f.timeouts == 0);
  }

  TEST_CASE("row 12: burst loss is repaired inside the tunnel") {
    const Figures f = run_row("12", 10, 25);
    CHECK(f.share >= 0.93);
    CHECK(f.timeouts == 0);
  }

  TEST_CASE("row 16: eight flows fill both paths") { CHECK(run_row("16", 8, 20).share >= 0.99); }

  TEST_CASE("row 19: a single path loses nothing to the scheduler") {
    const Figures f = run_row("19", 5, 15);
    CHECK(f.share >= 0.99);
    CHECK(f.ping50_ms <= f.ping_base_ms + 5);
  }

  TEST_CASE("row 27: flows that are pinned to a link each fill all of them, and no buffer") {
    const Figures f = run_row("27", 5, 10);
    CHECK(f.share >= 0.98);
    CHECK(f.ping50_ms <= f.ping_base_ms + 5);
  }

  TEST_CASE("row 13: beside a CUBIC we take our part of the link and leave it the greater one") {
    const Figures f = run_row("13", 30, 45);
    CHECK(f.rival_mbit >= 0.40 * 96.5);
    CHECK(f.mbit - 48 >= 0.25 * 96.5);
  }

  TEST_CASE("row 25: two paths of ours behind one bottleneck do not compete") {
    const Figures f = run_row("25", 6, 16);
    CHECK(f.share >= 0.98);
    CHECK(f.ping50_ms <= f.ping_base_ms + 5);
  }

  TEST_CASE("row 2: a smooth BBR flow fills both paths from the start, a plain one only the fast") {
    const auto run = [](FlowHold hold) {
      for (Scenario row : table_rows()) {
        if (row.name.rfind("2 ", 0) != 0) continue;
        row.hold = hold;
        row.from_s = 2;
        row.to_s = 20;
        return Lab(row, 1).run();
      }
      return Figures{};
    };
    CHECK(run(FlowHold::No).share <= 0.7);
    const Figures smooth = run(FlowHold::Yes);
    CHECK(smooth.share >= 0.95);
    CHECK(smooth.ping50_ms <= smooth.ping_base_ms + 5);
  }

  TEST_CASE("profile rtt_40: a smooth flow has both paths within a second") {
    for (Scenario profile : two_path_profiles()) {
      if (profile.name != "rtt_40") continue;
      profile.hold = FlowHold::Yes;
      const Figures f = Lab(profile, 1).run();
      CHECK(f.mbit >= 90);
      CHECK(f.ping50_ms <= f.ping_base_ms + 15);
    }
  }

  TEST_CASE("row 1b: one flow fills both paths on a machine that wakes late") {
    for (const CongestionKind congestion : {CongestionKind::Cubic, CongestionKind::Bbr}) {
      for (Scenario row : table_rows()) {
        if (row.name.rfind("1b ", 0) != 0) continue;
        row.flows[0].congestion = congestion;
        row.late_ms = 1;
        const Figures f = Lab(row, 1).run();
        CHECK(f.share >= 0.8);  // with the start; the better path alone is 0.67
        CHECK(f.ping50_ms <= f.ping_base_ms + 5);
      }
    }
  }

  TEST_CASE("one seed gives one result") {
    const auto once = [] { return run_row("12", 3, 6).mbit; };
    CHECK(once() == once());
  }
}
