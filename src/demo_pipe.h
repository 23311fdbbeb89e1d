// A pipe from a process of the demo's traffic to the demo.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/result.h"
#include "io/fd.h"

namespace wanbond {

/// Both ends, non-blocking: what is written to `in` is read from `out`.
struct Pipe {
  Fd out, in;
};

inline Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
    return Error{std::string("cannot make a pipe: ") + std::strerror(errno)};
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace wanbond
