// check(): a broken promise inside the program ends it at once, with the place. Never for input
// from outside: that is a Result or a DropReason.
#pragma once

namespace wanbond {

/// Writes file, line and function to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* function) noexcept;

/// Aborts when `condition` is false. Stays on in release builds: a node that goes on with broken
/// state could reuse a nonce. The place is the caller's: the built-ins behind std::source_location,
/// which clang 14 has not.
inline void check(bool condition, const char* file = __builtin_FILE(), int line = __builtin_LINE(),
                  const char* function = __builtin_FUNCTION()) noexcept {
  if (!condition) [[unlikely]]
    check_failed(file, line, function);
}

}  // namespace wanbond
