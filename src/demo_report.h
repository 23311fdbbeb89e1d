// The demo's result: what was measured, whether that is good enough, and its words for people and
// programs. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "demo_node.h"
#include "demo_stream.h"

namespace wanbond {

/// A silent cut must be noticed within this time, by both sites.
inline constexpr Duration kDemoDetectionMax = 100ms;

/// How a site took the cut. Times from the emulator's own time of the cut to the `at` of the
/// node's event, both CLOCK_MONOTONIC; none: it did not happen.
struct DemoReaction {
  std::string site;
  std::optional<Duration> suspect, moved, down;
  std::string cause;               // of the Down
  std::optional<Duration> reused;  // from the end of the cut to the event that flows are back
};

/// Finds the reaction in a site's events.
DemoReaction find_reaction(const std::vector<DemoEvent>& events, const std::string& wan,
                           Time cut_at, Time restored_at);

/// One of the two streams.
struct DemoStreamFacts {
  StreamSample sent, received;
  StreamGap longest_gap, cut_gap;  // of the whole run; around the cut
  StreamSample during_outage;      // what arrived from 1 s after the cut to its end
};

/// The run in phases: before the cut, while it lasted, after it.
inline constexpr std::size_t kDemoPhases = 3;

/// The bytes a WAN carried, as the sites count them.
struct DemoShare {
  std::string wan;
  std::array<std::uint64_t, kDemoPhases> to_branch{}, to_hq{};  // as received
};

struct DemoFacts {
  std::string wan;  // the one that was cut
  Time began{}, cut_at{}, restored_at{};
  std::vector<DemoReaction> sites;
  DemoStreamFacts file, packets;
  std::string sent_hash, received_hash;  // SHA-256
  std::uint64_t corrupted_bytes = 0;
  std::vector<DemoShare> shares;
};

/// The longest time until a site said Down; none if one did not.
std::optional<Duration> detection_time(const DemoFacts& facts);

/// What is not as it must be; empty: the demo succeeded.
std::vector<std::string> demo_failures(const DemoFacts& facts);

std::string demo_report_text(const DemoFacts& facts);
/// One JSON object; names in wanbond(8).
std::string demo_report_json(const DemoFacts& facts);

}  // namespace wanbond
