// `wanbond demo` as a sequence: two sites, three emulated WANs, traffic, a cut, a verdict. All of
// it lives in namespaces without a name and ends with its object.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "demo_folder.h"
#include "demo_node.h"
#include "demo_report.h"
#include "demo_screen.h"
#include "demo_traffic.h"
#include "demo_wans.h"
#include "io/fd.h"
#include "lab/netns.h"

namespace wanbond {

/// Runs one demo. Members are destroyed in the order that ends processes before namespaces.
class Demo {
 public:
  /// Makes the sites' namespaces. `folder` and `screen` outlive it. `signals` (open_signals()): any
  /// of them ends the run.
  static Result<Demo> make(const DemoFolder& folder, DemoScreen& screen, Fd signals);

  /// The whole run; the traffic lasts for `duration`. An error if something could not be done, or
  /// if a signal came.
  Result<DemoFacts> run(Duration duration);

 private:
  struct Site {
    Netns netns;
    std::optional<DemoNode> node;
    std::vector<DemoEvent> events;
    std::vector<DemoPath> state;
  };
  enum SiteIndex : std::size_t { kBranch, kHq };
  struct Snapshot {  // of both sites' counters, at the bounds of the phases
    std::vector<DemoPath> branch, hq;
  };

  Demo(const DemoFolder& folder, DemoScreen& screen, Fd signals, std::array<Site, 2> sites)
      : folder_(folder), screen_(screen), signals_(std::move(signals)), sites_(std::move(sites)) {}

  Result<void> start_sites();
  Result<void> wait_for_paths();
  Result<void> run_traffic(Duration duration, DemoFacts& facts);
  Result<void> compare_files(DemoFacts& facts);
  void evaluate(DemoFacts& facts) const;

  Result<void> work_until(Time until);
  Result<void> turn(Time until);
  Result<void> take_events(Site& site);
  void look();
  void keep_snapshot();

  const DemoFolder& folder_;
  DemoScreen& screen_;
  Fd signals_;
  std::array<Site, 2> sites_;
  std::optional<DemoWans> wans_;
  std::optional<DemoTraffic> traffic_;
  std::vector<Snapshot> snapshots_;
  Time next_look_{};
};

}  // namespace wanbond
