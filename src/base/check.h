// check(): a broken promise inside the program ends it at once, with the place. Never for input
// from outside: that is a Result or a DropReason.
#pragma once

#include <source_location>

namespace wanbond {

/// Writes file, line and function to standard error and aborts.
[[noreturn]] void check_failed(const std::source_location& place) noexcept;

/// Aborts when `condition` is false. Stays on in release builds: a node that goes on with broken
/// state could reuse a nonce.
inline void check(bool condition,
                  const std::source_location& place = std::source_location::current()) noexcept {
  if (!condition) [[unlikely]]
    check_failed(place);
}

}  // namespace wanbond
