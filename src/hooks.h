// Hooks: runs PostUp and PostDown by /bin/sh -c from a helper process that keeps the rights which
// the node itself gives up, and that knows no key.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/fd.h"

namespace wanbond {

/// The helper lives as long as this object; fork it before the configuration's keys are read.
class Hooks {
 public:
  static Result<std::unique_ptr<Hooks>> start();
  ~Hooks();
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  /// Runs the commands one after another, "%i" replaced by `device`, and waits for each. Returns
  /// one line per command that did not end with status 0.
  std::vector<std::string> run(const std::vector<std::string>& commands, const std::string& device);

 private:
  Hooks(Fd fd, pid_t child) noexcept : fd_(std::move(fd)), child_(child) {}

  Fd fd_;
  pid_t child_;
};

/// `command` with every "%i" replaced.
std::string expand_hook(const std::string& command, const std::string& device);

}  // namespace wanbond
