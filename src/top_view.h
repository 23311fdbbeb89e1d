// TopView: the picture of `wanbond top`: one line per path, with what its rate and delay have been.
// Pure: states of `show json` and keys come in, text goes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "json_reader.h"
#include "show.h"

namespace wanbond {

/// What the terminal can show.
struct TopScreen {
  std::size_t columns = 80, rows = 24;
  Colours colours = Colours::Off;
  enum class Marks : std::uint8_t { Ascii, Blocks } marks = Marks::Ascii;  // of the histories
};

/// Remembers two minutes of each path.
class TopView {
 public:
  /// The state now; rates are those since the last one.
  void add(const JsonValue& status);
  enum class Reply : std::uint8_t { Draw, Quit, Nothing };
  /// A key of the user: n, r, d, l and u sort by name, rate, delay, loss, use; q ends.
  Reply on_key(char key) noexcept;
  /// As many lines as the screen has, at most as wide, each ended by "\n" but the last. Of paths
  /// that find no room it is said how many there are.
  std::string draw(const TopScreen& screen) const;

 private:
  static constexpr std::size_t kHistory = 120;
  struct Path {
    std::string name, state, use;
    double tx_mbps = 0, rx_mbps = 0, rtt_ms = 0, loss = 0;  // per cent
    double capacity_mbps = 0, queue_ms = 0, share = 0;      // per cent
    std::uint64_t tx_bytes = 0, rx_bytes = 0;
    std::vector<double> rates, delays;  // the newest last
    bool seen = false;
  };
  struct Peer {
    std::string name, state;
    std::vector<Path> paths;
  };
  void note_path(const JsonValue& json, double seconds, Path& path);
  void sort(std::vector<Path>& paths) const;
  std::vector<std::string> lines(const TopScreen& screen) const;
  static std::string path_line(const TopScreen& screen, const Path& path, std::size_t name_width);

  std::string title_;
  double uptime_s_ = -1;
  std::vector<Peer> peers_;
  char order_ = 'n';
};

/// The values as marks, lowest to highest of their own range from 0; `width` of them, the newest
/// last.
std::string history_text(const std::vector<double>& values, std::size_t width,
                         TopScreen::Marks marks);

}  // namespace wanbond
