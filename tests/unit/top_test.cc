// What `wanbond top` draws: states in, text out.
#include <doctest/doctest.h>

#include <sstream>

#include "top_view.h"

using namespace wanbond;

namespace {

/// One path as `show --json` has it.
struct PathText {
  const char* name;
  const char* state = "up";
  const char* use = "used";
  int tx_bytes = 0;
  double rtt_ms = 20;
};

JsonValue state(double uptime, const std::vector<PathText>& paths) {
  std::ostringstream text;
  text << R"({"name": "branch", "device": "wb0", "mtu": 1420, "version": "1", "uptime_s": )"
       << uptime << R"(, "peers": [{"name": "hq", "state": "up", "paths": [)";
  for (std::size_t i = 0; i < paths.size(); ++i)
    text << (i == 0 ? "" : ", ") << R"({"name": ")" << paths[i].name << R"(", "state": ")"
         << paths[i].state << R"(", "use": ")" << paths[i].use << R"(", "tx_bytes": )"
         << paths[i].tx_bytes << R"(, "rx_bytes": 0, "rtt_ms": )" << paths[i].rtt_ms
         << R"(, "loss_ppm": 5000, "queue_ms": 1.5)"
         << R"(, "bond": {"capacity_mbps": 100.0, "share": 0.62}})";
  text << "]}]}";
  return *JsonValue::parse(text.str());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

constexpr TopScreen kWide{.columns = 120, .rows = 24};

}  // namespace

TEST_SUITE("top") {
  TEST_CASE("a path has a line with its rate since the last state, its figures and its share") {
    TopView view;
    view.add(state(1, {{.name = "fiber>hq", .tx_bytes = 1'000'000}}));
    view.add(state(3, {{.name = "fiber>hq", .tx_bytes = 3'500'000}}));
    const auto lines = lines_of(view.draw(kWide));
    REQUIRE(lines.size() == 5);
    CHECK(lines[0] == "branch: device wb0 mtu 1420, up for 3 s, wanbond 1");
    CHECK(lines[2] == "peer hq: up");
    CHECK(
        lines[3].starts_with("  fiber>hq     up            10.0     0.0   20.0   0.5    1.5   "
                             "100.0      62 %"));
    CHECK(lines[3].ends_with("##"));  // two round trips, as high as any
    CHECK(lines[4].starts_with("sort: "));
  }

  TEST_CASE("a path that takes nothing says why") {
    TopView view;
    view.add(state(1, {{.name = "lte>hq", .use = "metered"}}));
    CHECK(view.draw(kWide).find("  metered") != std::string::npos);
  }

  TEST_CASE("keys sort the paths, q ends, others do nothing") {
    TopView view;
    view.add(state(1, {{.name = "a", .rtt_ms = 30}, {.name = "b", .rtt_ms = 10}}));
    view.add(
        state(2, {{.name = "a", .tx_bytes = 9'000, .rtt_ms = 30}, {.name = "b", .rtt_ms = 10}}));
    const auto first = [&](char key) {
      CHECK(view.on_key(key) == TopView::Reply::Draw);
      return lines_of(view.draw(kWide))[3][2];
    };
    CHECK(first('d') == 'b');
    CHECK(first('r') == 'a');
    CHECK(first('n') == 'a');
    CHECK(view.on_key('x') == TopView::Reply::Nothing);
    CHECK(view.on_key('q') == TopView::Reply::Quit);
  }

  TEST_CASE("no line is wider than the screen, and there are no more lines than it has") {
    TopView view;
    std::vector<PathText> paths;
    for (int i = 0; i < 30; ++i) paths.push_back({.name = "fiber>198.51.100.10:51900"});
    for (int i = 0; i < 200; ++i) view.add(state(i, paths));
    for (const std::size_t columns : {1, 20, 60, 80, 81, 97, 140, 300}) {
      for (const std::size_t rows : {1, 2, 10, 24}) {
        const auto lines = lines_of(view.draw({.columns = columns, .rows = rows}));
        CHECK(lines.size() <= std::max<std::size_t>(rows, 2));
        for (const std::string& line : lines) CHECK(line.size() <= columns);
      }
    }
    const auto lines = lines_of(view.draw({.columns = 80, .rows = 10}));
    CHECK(lines[8] == "... 25 more lines");
    CHECK(lines[5].starts_with("  fiber>198.51~ up "));
  }

  TEST_CASE("colours are around states and count as no columns") {
    TopView view;
    view.add(state(1, {{.name = "a", .state = "down", .use = "down"}}));
    TopScreen screen = kWide;
    screen.colours = Colours::On;
    CHECK(view.draw(screen).find("\033[31mdown      \033[0m") != std::string::npos);
    screen.columns = 40;
    CHECK(view.draw(screen).find('\033') == std::string::npos);  // a cut could fall into one
  }

  TEST_CASE("a history shows values in relation to their highest, the newest last") {
    using Marks = TopScreen::Marks;
    CHECK(history_text({0, 5, 10}, 5, Marks::Ascii) == "  _=#");
    CHECK(history_text({1, 2, 3, 4}, 2, Marks::Ascii).size() == 2);
    CHECK(history_text({}, 3, Marks::Ascii) == "   ");
    CHECK(history_text({0, 0}, 2, Marks::Ascii) == "__");
    CHECK(history_text({10}, 1, Marks::Blocks) == "█");
  }
}
