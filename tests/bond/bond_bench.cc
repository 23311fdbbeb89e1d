// Runs the scheduler's scenarios in virtual time and prints a table: bond_bench [--seed N]
// [--profiles] [--steady] [--smooth] [--late MS] [--trace SECONDS] [NAME ...]. NAME picks
// rows that begin with it; with --smooth acknowledgements are held, with --late the gateway wakes
// late.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "sched/units.h"
#include "tests/bond/rows.h"

using namespace wanbond;
using namespace wanbond::bond;

namespace {

struct Options {
  std::uint64_t seed = 1;
  unsigned seeds = 1;
  bool profiles = false, steady = false, seconds = false, smooth = false;
  double late_ms = 0;
  double trace_s = 0;
  std::vector<std::string> names;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return i + 1 < argc ? std::atof(argv[++i]) : 0.0; };
    if (word == "--seed")
      options.seed = static_cast<std::uint64_t>(value());
    else if (word == "--seeds")
      options.seeds = static_cast<unsigned>(value());
    else if (word == "--profiles")
      options.profiles = true;
    else if (word == "--steady")
      options.steady = true;
    else if (word == "--late")
      options.late_ms = value();
    else if (word == "--smooth")
      options.smooth = true;
    else if (word == "--seconds")
      options.seconds = true;
    else if (word == "--trace")
      options.trace_s = value();
    else
      options.names.push_back(word);
  }
  return options;
}

bool is_chosen(const Options& options, const std::string& name) {
  if (options.names.empty()) return true;
  for (const std::string& wanted : options.names)
    if (name == wanted || name.rfind(wanted + " ", 0) == 0) return true;
  return false;
}

void print_state(const Lab& lab, Time now, std::size_t wans) {
  std::fprintf(stderr, "%.2f", to_ms(now.time_since_epoch()) / 1e3 - 1);
  const Bond& bond = lab.near_end().bond();
  for (std::size_t i = 0; i < wans; ++i) {
    const auto id = static_cast<std::uint8_t>(i);
    const PathModel& model = bond.model(id);
    std::fprintf(
        stderr, " | C %.1f R %.1f dr %.1f q %.1f m %.1f J %.1f/%.1f la %.3f %s%s%s%s link %.1f",
        bond.rate(id).capacity() * 8e-6, bond.rate(id).rate() * 8e-6, model.delivered() * 8e-6,
        to_ms(model.queue()), to_ms(model.queue_mean()), to_ms(model.jitter()),
        to_ms(model.jitter_peak()), model.loss(), model.is_backlogged() ? "B" : "-",
        model.is_busy() ? "Q" : "-", bond.rate(id).is_starting() ? "S" : "-",
        bond.is_suspended(id)                   ? "!"
        : bond.cross_traffic().is_competing(id) ? "C"
        : bond.cross_traffic().is_testing(id)   ? "T"
                                                : "-",
        static_cast<double>(lab.forward(i).queue_bytes()) * 8e3 /
            static_cast<double>(lab.forward(i).settings().rate.bits_per_second));
  }
  const TcpSource& tcp = lab.source(0);
  std::fprintf(stderr, " | held %.0f cwnd %.0f srtt %.1f rec %llu rto %llu bond %llu\n",
               to_ms(bond.held_round_trip(0).value_or(Duration{})), tcp.window(),
               to_ms(tcp.report().srtt), static_cast<unsigned long long>(tcp.report().recoveries),
               static_cast<unsigned long long>(tcp.report().timeouts),
               static_cast<unsigned long long>(bond.queue().bytes()));
}

void print_row(const Scenario& scenario, std::uint64_t seed, const Figures& f,
               const Options& options) {
  std::printf(
      "| %s | %llu | %.1f | %.1f | %.3f | %.1f / %.1f (%.0f) | %.1f | %.0f / %.0f | %.0f | %.0f | "
      "%llu | %llu | %llu | %llu/%llu/%llu | %llu | %llu | %.2f |\n",
      scenario.name.c_str(), static_cast<unsigned long long>(seed), f.mbit, f.rival_mbit, f.share,
      f.ping50_ms, f.ping99_ms, f.ping_base_ms, f.rtt_ms, f.depth99, f.depth_max, f.gap_any_ms,
      f.gap_order_ms, static_cast<unsigned long long>(f.timeouts),
      static_cast<unsigned long long>(f.recoveries),
      static_cast<unsigned long long>(f.voids + f.marks),
      static_cast<unsigned long long>(f.repairs), static_cast<unsigned long long>(f.rescues),
      static_cast<unsigned long long>(f.suspicions), static_cast<unsigned long long>(f.refused),
      static_cast<unsigned long long>(f.skipped), 100 * f.link_loss);
  if (!options.seconds) return;
  for (const double mbit : f.per_second) std::printf(" %.1f", mbit);
  for (const double ms : f.finished_ms)
    if (ms >= 0) std::printf("  done %.0f ms", ms);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  std::printf(
      "| scenario | seed | Mbit/s | rival | share of sum | ping p50 / p99 (base) ms | RTT ms | "
      "depth p99 / max | gap ms | in order ms | RTO | recoveries | drops, marks | "
      "repairs/rescued/suspicions | refused | skipped | queue loss %% |\n");
  std::printf("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (Scenario scenario : options.profiles ? two_path_profiles() : table_rows()) {
    if (!is_chosen(options, scenario.name)) continue;
    if (options.late_ms > 0) scenario.late_ms = options.late_ms;
    if (options.smooth) scenario.hold = FlowHold::Yes;
    if (options.steady) {
      scenario.from_s = 17;
      scenario.to_s = 43;
    }
    for (std::uint64_t seed = options.seed; seed < options.seed + options.seeds; ++seed) {
      Lab lab(scenario, seed);
      if (options.trace_s > 0)
        lab.set_watcher(from_seconds(options.trace_s),
                        [&](const Lab& l, Time now) { print_state(l, now, scenario.wans.size()); });
      print_row(scenario, seed, lab.run(), options);
      std::fflush(stdout);
    }
  }
}
