// wanbond demo: two sites and three emulated WANs on this machine, one WAN cut under traffic.
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "cmd_line.h"
#include "demo.h"
#include "io/service.h"

namespace wanbond {
namespace {

constexpr int kDurationDefault = 22;  // seconds of traffic
constexpr int kDurationMin = 10;      // below, the WAN has no time to come back
constexpr int kDurationMax = 300;     // of random data at 50 Mbit/s, twice: 4 GB on disk

std::optional<std::chrono::seconds> parse_seconds(const std::string& text) {
  int seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (seconds < kDurationMin || seconds > kDurationMax) return std::nullopt;
  return std::chrono::seconds(seconds);
}

DemoDisplay display_of(const CommandLine& line) {
  if (line.has("json")) return DemoDisplay::Errors;
  if (::isatty(STDOUT_FILENO) != 1) return DemoDisplay::Messages;
  return std::getenv("NO_COLOR") == nullptr ? DemoDisplay::LiveColours : DemoDisplay::Live;
}

/// Runs and ends the demo; all of its processes and namespaces are gone on return.
Result<DemoFacts> run_and_clean_up(const DemoFolder& folder, DemoScreen& screen, Fd signals,
                                   Duration duration) {
  auto demo = Demo::make(folder, screen, std::move(signals));
  if (!demo) return demo.error();
  auto facts = demo->run(duration);
  screen.finish();
  return facts;
}

void keep_what_helps(DemoFolder& folder) {
  folder.remove(kDemoSentFile);
  folder.remove(kDemoReceivedFile);
  complain("configurations and logs are in " + folder.path());
  folder.keep();
}

}  // namespace

int run_demo(Arguments arguments) {
  const CommandForm form{
      "demo",
      "Joins two sites over three emulated WANs in network namespaces of this machine, moves a "
      "file\nand a UDP stream, cuts the WAN in use, and reports. Needs root; touches no other "
      "network.",
      Operand::None,
      {{"duration", "seconds of traffic, 10 to 300; default 22", "SECONDS"},
       {"json", "print the report as one JSON object, messages to standard error"},
       {"keep", "keep configurations and logs in their temporary folder"}}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  const auto duration = parse_seconds(line.has("duration") ? line.value("duration")
                                                           : std::to_string(kDurationDefault));
  if (!duration) {
    complain("demo: --duration: '" + line.value("duration") +
             "' is not a number of seconds from 10 to 300");
    return kExitUsage;
  }
  // Before there is anything to clean up.
  auto signals = open_signals({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
  std::signal(SIGPIPE, SIG_IGN);
  auto folder = signals ? DemoFolder::make() : signals.error();
  if (!folder) {
    complain("demo: " + folder.error().message);
    return kExitFailed;
  }
  DemoScreen screen(display_of(line));
  const auto facts = run_and_clean_up(*folder, screen, std::move(*signals), *duration);
  if (line.has("keep")) keep_what_helps(*folder);
  if (!facts) {
    complain("demo: " + facts.error().message);
    return kExitFailed;
  }
  std::fputs((line.has("json") ? demo_report_json(*facts) : demo_report_text(*facts)).c_str(),
             stdout);
  return demo_failures(*facts).empty() ? kExitFine : kExitFailed;
}

}  // namespace wanbond
