#include "demo_report.h"

#include <algorithm>
#include <cstdio>

namespace wanbond {
namespace {

constexpr int kNameColumns = 24;
constexpr int kColumns = 15;

std::string fixed(double number, int decimals, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f %s", decimals, number, unit);
  return text;
}

std::string ms_text(const std::optional<Duration>& time) {
  return time ? fixed(to_ms(*time), 1, "ms") : "never";
}

std::string mb_text(std::uint64_t bytes) {
  return fixed(static_cast<double>(bytes) / 1e6, 1, "MB");
}

std::string seconds_text(Duration time) { return fixed(to_ms(time) / 1e3, 1, "s"); }

/// A row of the report's tables; the first cell is a name.
std::string row(const std::vector<std::string>& cells) {
  std::string line = "  ";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    char text[128];
    std::snprintf(text, sizeof(text), "%-*s", i == 0 ? kNameColumns : kColumns, cells[i].c_str());
    line += text;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

/// From `since` to the first event that `fits`; none if there is none.
template <class Fits>
std::optional<Duration> time_to(const std::vector<DemoEvent>& events, Time since, Fits fits) {
  for (const DemoEvent& event : events)
    if (event.at >= since && fits(event)) return event.at - since;
  return std::nullopt;
}

std::string streams_text(const DemoFacts& facts) {
  const DemoStreamFacts& file = facts.file;
  const DemoStreamFacts& packets = facts.packets;
  return row({"stream", "received", "lost or wrong", "longest gap", "gap at the cut",
              "during the cut"}) +
         row({"file, TCP, hq > branch", mb_text(file.received.bytes),
              std::to_string(facts.corrupted_bytes) + " bytes", ms_text(file.longest_gap.length),
              ms_text(file.cut_gap.length), mb_text(file.during_outage.bytes)}) +
         row({"voice, UDP, branch > hq", std::to_string(packets.received.packets) + " packets",
              std::to_string(packets.sent.packets - packets.received.packets) + " packets",
              ms_text(packets.longest_gap.length), ms_text(packets.cut_gap.length),
              std::to_string(packets.during_outage.packets) + " packets"});
}

std::string reactions_text(const DemoFacts& facts) {
  std::string text =
      row({"after the cut, site", "suspect", "flows moved", "Down", facts.wan + " used again"});
  for (const DemoReaction& site : facts.sites)
    text += row({site.site, ms_text(site.suspect), ms_text(site.moved), ms_text(site.down),
                 site.reused ? ms_text(site.reused) + " after its return" : "never"});
  return text;
}

std::string shares_text(const DemoFacts& facts) {
  std::string text = row({"carried, both ways", "before the cut", "during the cut", "after it"});
  for (const DemoShare& share : facts.shares) {
    std::vector<std::string> cells{share.wan};
    for (std::size_t i = 0; i < kDemoPhases; ++i)
      cells.push_back(mb_text(share.to_branch[i] + share.to_hq[i]));
    text += row(cells);
  }
  return text;
}

}  // namespace

DemoReaction find_reaction(const std::vector<DemoEvent>& events, const std::string& wan,
                           Time cut_at, Time restored_at) {
  const auto becomes = [&](const char* state) {
    return [&wan, state](const DemoEvent& event) {
      return event.kind == "path_state" && event.wan == wan && event.to == state;
    };
  };
  DemoReaction reaction;
  reaction.suspect = time_to(events, cut_at, becomes("suspect"));
  reaction.down = time_to(events, cut_at, becomes("down"));
  reaction.moved = time_to(events, cut_at, [&](const DemoEvent& event) {
    return event.kind == "path_selected" && event.wan != wan;
  });
  reaction.reused = time_to(events, restored_at, [&](const DemoEvent& event) {
    return event.kind == "path_selected" && event.wan == wan;
  });
  const auto down = std::find_if(events.begin(), events.end(), [&](const DemoEvent& event) {
    return event.at >= cut_at && becomes("down")(event);
  });
  if (down != events.end()) reaction.cause = down->cause;
  return reaction;
}

std::optional<Duration> detection_time(const DemoFacts& facts) {
  std::optional<Duration> longest;
  for (const DemoReaction& site : facts.sites) {
    if (!site.down) return std::nullopt;
    longest = std::max(longest.value_or(0ms), *site.down);
  }
  return longest;
}

std::vector<std::string> demo_failures(const DemoFacts& facts) {
  std::vector<std::string> failures;
  if (facts.sent_hash != facts.received_hash)
    failures.push_back("the file arrived damaged: its hash is not that of what was sent");
  if (facts.corrupted_bytes != 0)
    failures.push_back(std::to_string(facts.corrupted_bytes) + " bytes of the file are corrupted");
  if (facts.file.during_outage.bytes == 0)
    failures.emplace_back("the file transfer stood still while " + facts.wan + " was cut");
  if (facts.packets.during_outage.packets == 0)
    failures.emplace_back("no UDP packet arrived while " + facts.wan + " was cut");
  for (const DemoReaction& site : facts.sites) {
    if (!site.down)
      failures.push_back("site " + site.site + " did not notice the cut");
    else if (*site.down > kDemoDetectionMax)
      failures.push_back("site " + site.site + " noticed the cut after " + ms_text(site.down) +
                         "; at most " + ms_text(kDemoDetectionMax) + " are allowed");
  }
  return failures;
}

std::string demo_report_text(const DemoFacts& facts) {
  std::string text = "\n" + facts.wan + " was cut silently " +
                     seconds_text(facts.cut_at - facts.began) + " into the run, and came back at " +
                     seconds_text(facts.restored_at - facts.began) + ".\n\n" +
                     reactions_text(facts) + "\n" + streams_text(facts) + "\n" +
                     shares_text(facts) + "\n  SHA-256 at hq      " + facts.sent_hash +
                     "\n  SHA-256 at branch  " + facts.received_hash + "\n\n";
  const auto failures = demo_failures(facts);
  for (const std::string& failure : failures) text += "FAILED: " + failure + "\n";
  if (!failures.empty()) return text;
  return text + "PASSED: detection " + ms_text(detection_time(facts)) +
         ", transfer alive across the cut, 0 bytes corrupted, " +
         std::to_string(facts.packets.sent.packets - facts.packets.received.packets) + " of " +
         std::to_string(facts.packets.sent.packets) + " UDP packets lost\n";
}

}  // namespace wanbond
