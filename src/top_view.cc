#include "top_view.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>
#include <tuple>

namespace wanbond {
namespace {

constexpr std::array<const char*, 8> kBlocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char*, 8> kAscii{"_", ".", ":", "-", "=", "+", "*", "#"};
constexpr std::size_t kNameMin = 12;
constexpr std::size_t kStateWidth = 10, kUseWidth = 10;
constexpr std::size_t kOtherWidth = 67;  // of a path line but its name, without histories
constexpr std::size_t kHistoryMin = 8, kHistoryMax = 60;
constexpr std::string_view kHelp = "sort: n name, r rate, d delay, l loss, u use      q quit";

const char* colour_of(const std::string& state) {
  if (state == "up") return "\033[32m";
  return state == "down" ? "\033[31m" : "\033[33m";
}

/// At most so many columns of a text without escapes; a cut is marked.
std::string cut(const std::string& text, std::size_t columns) {
  std::size_t width = 0, end = text.size(), mark = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0U) == 0x80U) continue;  // within a character
    if (width + 1 == columns) mark = i;
    if (width == columns) {
      end = i;
      break;
    }
    ++width;
  }
  if (end == text.size()) return text;
  return columns == 0 ? "" : text.substr(0, mark) + "~";
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

/// A number with so many decimals, right-aligned behind a blank.
std::string figure(double value, int width, int decimals) {
  std::array<char, 64> text;
  const int size = std::snprintf(text.data(), text.size(), " %*.*f", width, decimals, value);
  return {text.data(), std::min(static_cast<std::size_t>(std::max(size, 0)), text.size() - 1)};
}

/// What a path takes, in one word.
std::string use_word(const std::string& use, double share) {
  if (use != "used") return use;
  return share > 0 ? figure(share, 0, 0).substr(1) + " %" : "used";
}

}  // namespace

std::string history_text(const std::vector<double>& values, std::size_t width,
                         TopScreen::Marks marks) {
  const auto& steps = marks == TopScreen::Marks::Blocks ? kBlocks : kAscii;
  const std::size_t count = std::min(width, values.size());
  std::string text(width - count, ' ');
  const auto first = values.end() - static_cast<std::ptrdiff_t>(count);
  const double highest = count == 0 ? 0 : *std::max_element(first, values.end());
  for (auto value = first; value != values.end(); ++value) {
    const double part = highest > 0 ? *value / highest : 0;
    const auto step = static_cast<std::size_t>(part * static_cast<double>(steps.size()));
    text += steps[std::min(step, steps.size() - 1)];
  }
  return text;
}

void TopView::add(const JsonValue& status) {
  const double uptime = status["uptime_s"].number();
  const double seconds = uptime_s_ >= 0 ? uptime - uptime_s_ : 0;
  uptime_s_ = uptime;
  title_ = status["name"].text() + ": device " + status["device"].text() + " mtu " +
           status["mtu"].text() + ", up for" + figure(uptime, 0, 0) + " s, wanbond " +
           status["version"].text();
  std::vector<Peer> peers;
  for (const JsonValue& json : status["peers"].items()) {
    Peer peer{.name = json["name"].text(), .state = json["state"].text(), .paths = {}};
    const auto known = std::find_if(peers_.begin(), peers_.end(),
                                    [&](const Peer& other) { return other.name == peer.name; });
    for (const JsonValue& item : json["paths"].items()) {
      Path path{.name = item["name"].text()};
      if (known != peers_.end()) {
        const auto before =
            std::find_if(known->paths.begin(), known->paths.end(),
                         [&](const Path& other) { return other.name == path.name; });
        if (before != known->paths.end()) path = *before;
      }
      note_path(item, seconds, path);
      peer.paths.push_back(std::move(path));
    }
    peers.push_back(std::move(peer));
  }
  peers_ = std::move(peers);
}

void TopView::note_path(const JsonValue& json, double seconds, Path& path) {
  const auto tx = static_cast<std::uint64_t>(json["tx_bytes"].integer());
  const auto rx = static_cast<std::uint64_t>(json["rx_bytes"].integer());
  const auto mbps = [&](std::uint64_t before, std::uint64_t now) {
    return path.seen && seconds > 0 && now >= before
               ? static_cast<double>(now - before) * 8e-6 / seconds
               : 0;
  };
  path.tx_mbps = mbps(path.tx_bytes, tx);
  path.rx_mbps = mbps(path.rx_bytes, rx);
  path.tx_bytes = tx;
  path.rx_bytes = rx;
  path.state = json["state"].text();
  path.use = json["use"].text();
  path.rtt_ms = json["rtt_ms"].number();
  path.loss = json["loss_ppm"].number() / 1e4;
  path.queue_ms = json["queue_ms"].number();
  path.capacity_mbps = json["bond"]["capacity_mbps"].number();
  path.share = json["bond"]["share"].number() * 100;
  const auto append = [](std::vector<double>& values, double value) {
    if (values.size() == kHistory) values.erase(values.begin());
    values.push_back(value);
  };
  if (path.seen) append(path.rates, path.tx_mbps + path.rx_mbps);
  append(path.delays, path.state == "down" ? 0 : path.rtt_ms);
  path.seen = true;
}

TopView::Reply TopView::on_key(char key) noexcept {
  if (key == 'q') return Reply::Quit;
  if (std::string_view("nrdlu").find(key) == std::string_view::npos) return Reply::Nothing;
  order_ = key;
  return Reply::Draw;
}

void TopView::sort(std::vector<Path>& paths) const {
  const auto key = [&](const Path& path) {
    switch (order_) {
      case 'r':
        return -path.tx_mbps - path.rx_mbps;
      case 'd':
        return path.state == "down" ? 1e9 : path.rtt_ms;
      case 'l':
        return -path.loss;
      case 'u':
        return path.use == "used" ? -1 - path.share : 0;
      default:
        return 0.0;
    }
  };
  std::stable_sort(paths.begin(), paths.end(), [&](const Path& a, const Path& b) {
    return std::tuple(key(a), a.name) < std::tuple(key(b), b.name);
  });
}

std::string TopView::path_line(const TopScreen& screen, const Path& path, std::size_t name_width) {
  const std::string name = cut(path.name, name_width);
  const std::string state = padded(path.state, kStateWidth);
  const std::string use = use_word(path.use, path.share);
  const std::string figures = figure(path.tx_mbps, 7, 1) + figure(path.rx_mbps, 7, 1) +
                              figure(path.rtt_ms, 6, 1) + figure(path.loss, 5, 1) +
                              figure(path.queue_ms, 6, 1) + figure(path.capacity_mbps, 7, 1) +
                              padded("", kUseWidth - std::min(use.size(), kUseWidth)) + use;
  std::string line = "  " + padded(name, name_width) + " ";
  const bool is_whole = line.size() + state.size() + figures.size() <= screen.columns;
  const bool is_coloured = screen.colours == Colours::On && is_whole;
  line += is_coloured ? colour_of(path.state) + state + "\033[0m" : state;
  line += figures;
  if (!is_whole) return cut(line, screen.columns);
  const std::size_t used = 3 + name_width + state.size() + figures.size();
  const std::size_t width = std::min((screen.columns - used) / 2, kHistoryMax + 1);
  if (width <= kHistoryMin) return line;
  return line + " " + history_text(path.rates, width - 1, screen.marks) + " " +
         history_text(path.delays, width - 1, screen.marks);
}

std::vector<std::string> TopView::lines(const TopScreen& screen) const {
  std::size_t longest = kNameMin;
  for (const Peer& peer : peers_)
    for (const Path& path : peer.paths) longest = std::max(longest, path.name.size());
  const std::size_t room =
      screen.columns > kOtherWidth + kNameMin ? screen.columns - kOtherWidth : kNameMin;
  const std::size_t name_width = std::min(longest, room);
  std::vector<std::string> all{cut(title_, screen.columns)};
  all.push_back(cut("  " + padded("path", name_width) + " " + padded("state", kStateWidth) +
                        " tx Mb/s rx Mb/s rtt ms loss%  queue     max       use  rate, rtt",
                    screen.columns));
  for (const Peer& peer : peers_) {
    all.push_back(cut("peer " + peer.name + ": " + peer.state, screen.columns));
    std::vector<Path> paths = peer.paths;
    sort(paths);
    for (const Path& path : paths) all.push_back(path_line(screen, path, name_width));
  }
  return all;
}

std::string TopView::draw(const TopScreen& screen) const {
  std::vector<std::string> all = lines(screen);
  const std::size_t room = screen.rows > 2 ? screen.rows - 1 : 1;
  if (all.size() > room) {
    const std::size_t hidden = all.size() - room + 1;
    all.resize(room - 1);
    all.push_back(cut("... " + std::to_string(hidden) + " more lines", screen.columns));
  }
  std::string text;
  for (const std::string& line : all) text += line + "\n";
  return text + cut(std::string(kHelp), screen.columns);
}

}  // namespace wanbond
