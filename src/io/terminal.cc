#include "io/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace wanbond {
namespace {

constexpr std::string_view kEnter = "\033[?1049h\033[?25l";  // other screen, no cursor
constexpr std::string_view kLeave = "\033[?25h\033[?1049l";
constexpr std::string_view kHome = "\033[H";
constexpr std::string_view kClearLine = "\033[K";
constexpr std::string_view kClearBelow = "\033[J";

bool write_all(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Result<Terminal> Terminal::open() {
  if (::isatty(STDIN_FILENO) != 1 || ::isatty(STDOUT_FILENO) != 1)
    return Error{"standard input and output must be a terminal"};
  termios before{};
  if (::tcgetattr(STDIN_FILENO, &before) != 0)
    return Error{"cannot read the terminal's settings: " + std::string(std::strerror(errno))};
  termios raw = before;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  raw.c_cc[VMIN] = 0;
  raw.c_cc[VTIME] = 0;
  if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
    return Error{"cannot change the terminal's settings: " + std::string(std::strerror(errno))};
  Terminal terminal(before);
  if (!write_all(kEnter)) return Error{"the terminal takes no output"};
  return terminal;
}

Terminal::Terminal(Terminal&& other) noexcept
    : before_(other.before_), is_open_(std::exchange(other.is_open_, false)) {}

Terminal::~Terminal() {
  if (!is_open_) return;
  (void)write_all(kLeave);
  (void)::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

Terminal::Size Terminal::size() const noexcept {
  winsize window{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || window.ws_col == 0) return {};
  return {window.ws_col, window.ws_row};
}

bool Terminal::show(std::string_view text) noexcept {
  std::string output(kHome);
  for (const char character : text) {
    if (character == '\n') output += kClearLine;
    output += character;
  }
  output += kClearLine;
  output += kClearBelow;
  return write_all(output);
}

std::optional<char> Terminal::key() noexcept {
  char pressed = 0;
  return ::read(STDIN_FILENO, &pressed, 1) == 1 ? std::optional(pressed) : std::nullopt;
}

}  // namespace wanbond
