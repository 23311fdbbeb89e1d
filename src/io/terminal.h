// Terminal: the user's screen for as long as a program draws on it: another screen, no echo, keys
// as they come.
#pragma once

#include <termios.h>

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace wanbond {

/// Standard input and output. The destructor gives the terminal back as it was.
class Terminal {
 public:
  /// An error when one of them is no terminal.
  static Result<Terminal> open();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  struct Size {
    std::size_t columns = 80, rows = 24;
  };
  Size size() const noexcept;
  /// Replaces what is shown; lines end by "\n". False: it is gone.
  bool show(std::string_view text) noexcept;
  /// A key that was pressed; none: no more. To be asked when standard input is readable.
  std::optional<char> key() noexcept;

 private:
  explicit Terminal(const termios& before) noexcept : before_(before) {}

  termios before_;
  bool is_open_ = true;
};

}  // namespace wanbond
