// One site of the demo: a real node, started from a real configuration file in the site's network
// namespace, and what it tells of itself over its control socket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "demo_folder.h"
#include "io/fd.h"
#include "lab/child.h"
#include "lab/netns.h"

namespace wanbond {

inline constexpr const char* kDemoBranch = "branch";
inline constexpr const char* kDemoHq = "hq";
/// Inside the tunnel.
inline constexpr const char* kDemoBranchAddress = "10.77.0.2";
inline constexpr const char* kDemoHqAddress = "10.77.0.1";

/// Writes branch.conf and hq.conf with fresh keys into the folder. The branch calls, hq answers.
Result<void> write_demo_configs(const DemoFolder& folder, Random& random);

/// A line of `events --json`.
struct DemoEvent {
  Time at{};         // CLOCK_MONOTONIC
  std::string kind;  // "path_state"
  std::string wan;   // of the path; empty if the event is of none
  std::string to;    // the new state, of "path_state"
  std::string cause;
  std::string text;  // for people
};

/// The event in one line of JSON; none if it is something else.
std::optional<DemoEvent> parse_demo_event(const std::string& line);

/// A path of `show --json`; the demo has one per WAN.
struct DemoPath {
  std::string wan;
  std::string state;  // "up"
  bool selected = false;
  double rtt_ms = 0;  // 0: not measured
  double loss_percent = 0;
  std::uint64_t tx_bytes = 0, rx_bytes = 0;
};

/// The paths to the node's only peer, in the order of kDemoWans, out of what `show --json` printed.
std::vector<DemoPath> parse_demo_state(const std::string& json);

/// The running node. Ends with it.
class DemoNode {
 public:
  /// Starts `wanbond run -c FOLDER/NAME.conf`. Its messages go to FOLDER/NAME.log.
  static Result<DemoNode> start(const DemoFolder& folder, const std::string& name,
                                const Netns& netns);

  const std::string& name() const noexcept { return name_; }
  /// Becomes readable when an event came; -1 before the node listens.
  int events_fd() const noexcept { return events_.get(); }
  /// The events that came since the last call; connects if need be. An error if the node ended.
  Result<std::vector<DemoEvent>> take_events();
  /// Its paths now; empty while it does not answer.
  std::vector<DemoPath> state() const;

 private:
  DemoNode(const DemoFolder& folder, std::string name, Child process)
      : folder_(&folder), name_(std::move(name)), process_(std::move(process)) {}
  Fd ask(const std::string& request) const;

  const DemoFolder* folder_;
  std::string name_;
  Child process_;
  Fd events_;
  std::string unread_;  // an event not yet complete
};

/// The path of the WAN; null if there is none.
const DemoPath* find_path(const std::vector<DemoPath>& paths, const std::string& wan);

}  // namespace wanbond
