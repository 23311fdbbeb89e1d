// Child: a process of the lab, in a network namespace of its choice, that does not outlive its
// object. The demo starts its nodes and its transfers with it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/fd.h"
#include "lab/netns.h"

namespace wanbond {

/// How to start a child.
struct ChildSettings {
  const Netns* netns = nullptr;  // none: the caller's
  int output_fd = -1;            // its standard output and error; -1: the caller's
};

/// A running or ended child process. It gets default signal handling, an empty signal mask and
/// SIGKILL if the caller's thread dies. Destruction sends SIGTERM, waits up to 2 s, then kills.
class Child {
 public:
  /// Runs a program; `arguments[0]` is looked up in PATH. If it cannot run, the child's exit
  /// status is 127.
  static Result<Child> run(const std::vector<std::string>& arguments,
                           const ChildSettings& settings = {});
  /// Runs `body` in a forked copy of this process, which must have only one thread; its return
  /// value is the exit status. No destructor of the caller's objects runs in the child.
  static Result<Child> fork(const std::function<int()>& body, const ChildSettings& settings = {});

  Child(Child&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)),
        pidfd_(std::move(other.pidfd_)),
        status_(other.status_) {}
  Child& operator=(Child&&) = delete;
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  /// Becomes readable when the child ends.
  int pidfd() const noexcept { return pidfd_.get(); }
  /// Sends a signal; nothing happens if the child has ended.
  void signal(int number) noexcept;
  /// Waits at most `limit` for the end; the exit status (128 + signal if killed), or none.
  std::optional<int> wait(Duration limit) noexcept;

 private:
  Child(pid_t pid, Fd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}

  pid_t pid_ = -1;
  Fd pidfd_;
  std::optional<int> status_;
};

}  // namespace wanbond
