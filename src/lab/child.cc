#include "lab/child.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace wanbond {
namespace {

constexpr Duration kGrace = 2s;
constexpr int kCannotRun = 127;  // as the shell says it

// In the child, before its own work. Only plain system calls.
bool settle(const ChildSettings& settings, pid_t parent) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) return false;
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (settings.netns != nullptr && ::setns(settings.netns->fd(), CLONE_NEWNET) != 0) return false;
  if (settings.output_fd < 0) return true;
  return ::dup2(settings.output_fd, STDOUT_FILENO) >= 0 &&
         ::dup2(settings.output_fd, STDERR_FILENO) >= 0;
}

int exit_status(const siginfo_t& info) noexcept {
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

}  // namespace

Result<Child> Child::fork(const std::function<int()>& body, const ChildSettings& settings) {
  // Blocked until the child has settled: the caller's handlers must not run in it.
  sigset_t all, before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid != 0) ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return Error{std::string("cannot start a process: ") + std::strerror(errno)};
  if (pid == 0) ::_exit(settle(settings, parent) ? body() : kCannotRun);
  Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd.valid()) {
    const Error error{std::string("cannot watch a process (pidfd_open): ") + std::strerror(errno)};
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return error;
  }
  return Child(pid, std::move(pidfd));
}

Result<Child> Child::run(const std::vector<std::string>& arguments, const ChildSettings& settings) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const auto body = [&argv] {
    ::execvp(argv[0], argv.data());
    return kCannotRun;
  };
  return fork(body, settings);
}

Child::~Child() {
  if (pid_ < 0) return;
  signal(SIGTERM);
  if (wait(kGrace)) return;
  signal(SIGKILL);
  (void)wait(kGrace);
}

void Child::signal(int number) noexcept {
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Child::wait(Duration limit) noexcept {
  if (status_) return status_;
  pollfd ended{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
  (void)::poll(&ended, 1, static_cast<int>(std::clamp<std::int64_t>(milliseconds, 0, 1 << 30)));
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0)
    status_ = exit_status(info);
  return status_;
}

}  // namespace wanbond
