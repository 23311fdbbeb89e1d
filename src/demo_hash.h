// Whether the demo's file arrived as it was sent, seen from outside: by a program that is not ours,
// and byte by byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "io/fd.h"
#include "lab/child.h"
#include "lab/netns.h"

namespace wanbond {

/// The SHA-256 of a file in hexadecimal, by the program sha256sum, a process of its own in the
/// namespace. Read it with take().
class DemoHash {
 public:
  static Result<DemoHash> start(const std::string& file, const Netns& netns);
  int fd() const noexcept { return pipe_.get(); }
  /// The hash once it is there; an error if the program failed.
  Result<std::optional<std::string>> take();

 private:
  DemoHash(Child process, Fd pipe) noexcept
      : process_(std::move(process)), pipe_(std::move(pipe)) {}

  Child process_;
  Fd pipe_;
  std::string output_;
};

/// Bytes in which two files differ, position by position; what one has more counts as well.
Result<std::uint64_t> count_different_bytes(const std::string& file, const std::string& other);

}  // namespace wanbond
