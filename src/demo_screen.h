// What the demo shows while it runs: on a terminal a block of live lines below the messages,
// elsewhere the messages alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "demo_node.h"
#include "demo_stream.h"

namespace wanbond {

/// Messages: plain lines on standard output. Errors: likewise, on standard error. Live: with a
/// block that is drawn again and again. LiveColours: in colours.
enum class DemoDisplay : std::uint8_t { Messages, Errors, Live, LiveColours };

/// A picture of the running demo.
struct DemoView {
  Time now{};
  std::vector<DemoPath> branch, hq;
  StreamSample file, packets;  // as received
};

/// Owns the terminal's last lines while it lives.
class DemoScreen {
 public:
  explicit DemoScreen(DemoDisplay display) noexcept : display_(display) {}

  /// Times of messages count from here.
  void start_clock(Time began) noexcept { began_ = began; }
  /// One line with its time.
  void say(Time now, const std::string& text);
  /// Draws the live lines; rates are those since the last call.
  void draw(const DemoView& view);
  /// The live lines stay, and are not drawn any more.
  void finish() noexcept { drawn_lines_ = 0; }

 private:
  bool is_live() const noexcept {
    return display_ == DemoDisplay::Live || display_ == DemoDisplay::LiveColours;
  }
  std::string path_line(const DemoView& view, const DemoPath& path) const;
  void erase();

  DemoDisplay display_;
  Time began_{};
  DemoView last_;
  std::string block_;  // as drawn
  int drawn_lines_ = 0;
};

}  // namespace wanbond
