#include "demo_screen.h"

#include <algorithm>
#include <cstdio>

namespace wanbond {
namespace {

constexpr double kBarMbps = 2.5;  // of one mark
constexpr int kBarMarks = 24;
constexpr const char* kPlain = "\033[0m";
constexpr const char* kClearBelow = "\033[J";

const char* colour_of(const std::string& state) {
  if (state == "up") return "\033[32m";
  return state == "down" ? "\033[31m" : "\033[33m";
}

double mbps(std::uint64_t before, std::uint64_t after, Duration time) {
  if (time <= Duration::zero() || after < before) return 0;
  return static_cast<double>(after - before) * 8e3 / static_cast<double>(time.count());
}

std::string bar(double rate) {
  const int marks = std::clamp(static_cast<int>(rate / kBarMbps + 0.5), 0, kBarMarks);
  return std::string(static_cast<std::size_t>(marks), '#');
}

}  // namespace

void DemoScreen::say(Time now, const std::string& text) {
  const bool to_errors = display_ == DemoDisplay::Errors;
  erase();
  if (began_ == Time{})
    std::fprintf(to_errors ? stderr : stdout, "           %s\n", text.c_str());
  else
    std::fprintf(to_errors ? stderr : stdout, "[%7.3f s] %s\n", to_ms(now - began_) / 1e3,
                 text.c_str());
  if (is_live() && !block_.empty()) {
    std::fputs(block_.c_str(), stdout);
    drawn_lines_ = static_cast<int>(std::count(block_.begin(), block_.end(), '\n'));
  }
  std::fflush(to_errors ? stderr : stdout);
}

void DemoScreen::draw(const DemoView& view) {
  if (!is_live()) return;
  const Duration time = view.now - last_.now;
  std::string block = "\n  WAN      state       RTT        loss    to branch     to hq\n";
  for (const DemoPath& path : view.branch) block += path_line(view, path);
  char line[160];
  std::snprintf(line, sizeof(line),
                "\n  file   %7.1f MB received, %5.1f Mbit/s\n  voice  %7llu packets received\n",
                static_cast<double>(view.file.bytes) / 1e6,
                mbps(last_.file.bytes, view.file.bytes, time),
                static_cast<unsigned long long>(view.packets.packets));
  block += line;
  erase();
  std::fputs(block.c_str(), stdout);
  std::fflush(stdout);
  drawn_lines_ = static_cast<int>(std::count(block.begin(), block.end(), '\n'));
  block_ = std::move(block);
  last_ = view;
}

std::string DemoScreen::path_line(const DemoView& view, const DemoPath& path) const {
  const Duration time = view.now - last_.now;
  const DemoPath* before = find_path(last_.branch, path.wan);
  const double down = before == nullptr ? 0 : mbps(before->rx_bytes, path.rx_bytes, time);
  const double up = before == nullptr ? 0 : mbps(before->tx_bytes, path.tx_bytes, time);
  const bool in_colours = display_ == DemoDisplay::LiveColours;
  char line[200];
  std::snprintf(line, sizeof(line), "%s %-8s %s%-11s%s %6.1f ms %6.2f %% %5.1f Mbit/s %4.1f  %s\n",
                path.selected ? "*" : " ", path.wan.c_str(),
                in_colours ? colour_of(path.state) : "", path.state.c_str(),
                in_colours ? kPlain : "", path.rtt_ms, path.loss_percent, down, up,
                bar(down).c_str());
  return line;
}

void DemoScreen::erase() {
  if (drawn_lines_ > 0) std::printf("\033[%dA\r%s", drawn_lines_, kClearBelow);
  drawn_lines_ = 0;
}

}  // namespace wanbond
