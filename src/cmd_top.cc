// wanbond top: the state of paths, live in the terminal.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include "cmd_line.h"
#include "control_client.h"
#include "io/io.h"
#include "io/service.h"
#include "io/terminal.h"
#include "top_view.h"

namespace wanbond {
namespace {

constexpr Duration kPace = 1s;

/// Whether the user's locale is one of UTF-8 (locale(7): the first that is set counts).
bool is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string_view text(value);
    return text.find("UTF-8") != std::string_view::npos ||
           text.find("utf8") != std::string_view::npos;
  }
  return false;
}

/// What the user did meanwhile.
enum class Wish : std::uint8_t { Nothing, Draw, Quit };

Wish wish_of(Terminal& terminal, TopView& view) {
  Wish wish = Wish::Nothing;
  while (const auto key = terminal.key()) {
    const TopView::Reply reply = view.on_key(*key);
    if (reply == TopView::Reply::Quit) return Wish::Quit;
    if (reply == TopView::Reply::Draw) wish = Wish::Draw;
  }
  return wish;
}

/// Waits for keys, signals and `until`.
Wish wait(Terminal& terminal, TopView& view, int signals, Time until) {
  std::array<pollfd, 2> watched{{{STDIN_FILENO, POLLIN, 0}, {signals, POLLIN, 0}}};
  while (true) {
    const Duration left = until - monotonic_now();
    if (left <= Duration::zero()) return Wish::Nothing;
    const int count = ::poll(watched.data(), watched.size(), static_cast<int>(left / 1ms) + 1);
    if (count <= 0) continue;
    if ((watched[0].revents & (POLLHUP | POLLERR)) != 0) return Wish::Quit;
    const int signal = watched[1].revents != 0 ? take_signal(signals) : 0;
    if (signal == SIGWINCH) return Wish::Draw;
    if (signal != 0 && signal != SIGTSTP) return Wish::Quit;
    const Wish wish = watched[0].revents != 0 ? wish_of(terminal, view) : Wish::Nothing;
    if (wish != Wish::Nothing) return wish;
  }
}

bool draw(Terminal& terminal, const TopView& view) {
  const bool has_colours = std::getenv("NO_COLOR") == nullptr;
  const auto [columns, rows] = terminal.size();
  return terminal.show(
      view.draw({.columns = columns,
                 .rows = rows,
                 .colours = has_colours ? Colours::On : Colours::Off,
                 .marks = is_utf8() ? TopScreen::Marks::Blocks : TopScreen::Marks::Ascii}));
}

/// Until the user ends it, or the instance does not answer: then an error with the exit status.
Result<void> watch(const CommandLine& line, Terminal& terminal, int signals, int& status) {
  TopView view;
  Time next = monotonic_now();
  while (true) {
    if (monotonic_now() >= next) {
      const auto answer = fetch_from_instance(line, "show json", status);
      if (!answer) return answer.error();
      const auto json = JsonValue::parse(*answer);
      status = json ? kExitFine : kExitFailed;
      if (!json) return Error{"the instance gives no state; is it of another version?"};
      view.add(*json);
      next = monotonic_now() + kPace;
    }
    if (!draw(terminal, view)) return {};
    if (wait(terminal, view, signals, next) == Wish::Quit) return {};
  }
}

}  // namespace

int run_top(Arguments arguments) {
  const CommandForm form{"top",
                         "Shows the state of paths of a running node, live. Keys: n, r, d, l, u "
                         "sort by name, rate, delay, loss, use; q ends.",
                         Operand::Instance,
                         {}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  int status = kExitFine;
  if (const auto answer = fetch_from_instance(line, "show json", status); !answer) {
    complain(answer.error().message);
    return status;
  }
  const auto signals = open_signals({SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH});
  Result<void> done = signals ? Result<void>() : Result<void>(signals.error());
  if (done) {
    auto terminal = Terminal::open();
    if (!terminal) {
      complain("top: " + terminal.error().message + "; elsewhere take wanbond show");
      return kExitUsage;
    }
    done = watch(line, *terminal, signals->get(), status);
  }
  if (done) return kExitFine;
  complain(done.error().message);
  return status == kExitFine ? kExitFailed : status;
}

}  // namespace wanbond
