#include "hooks.h"

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace wanbond {
namespace {

constexpr std::size_t kCommandMax = 64 * 1024;

int run_shell(const char* command) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = -1;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

/// Reads commands and answers their wait statuses until the node is gone.
[[noreturn]] void serve(int fd) {
  static std::array<char, kCommandMax + 1> command;
  std::signal(SIGINT, SIG_IGN);  // Ctrl-C ends the node, which then runs PostDown
  std::signal(SIGTERM, SIG_IGN);
  while (true) {
    const ssize_t count = ::recv(fd, command.data(), kCommandMax, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) ::_exit(0);
    command[static_cast<std::size_t>(count)] = '\0';
    const int status = run_shell(command.data());
    if (::send(fd, &status, sizeof(status), MSG_NOSIGNAL) < 0) ::_exit(0);
  }
}

}  // namespace

Result<std::unique_ptr<Hooks>> Hooks::start() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return Error{std::string("cannot start the hooks' helper: ") + std::strerror(errno)};
  Fd mine(pair[0]);
  Fd theirs(pair[1]);
  const pid_t child = ::fork();
  if (child < 0)
    return Error{std::string("cannot start the hooks' helper: ") + std::strerror(errno)};
  if (child == 0) {
    mine = Fd();
    serve(theirs.get());
  }
  return std::unique_ptr<Hooks>(new Hooks(std::move(mine), child));
}

Hooks::~Hooks() {
  fd_ = Fd();
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) continue;
}

std::vector<std::string> Hooks::run(const std::vector<std::string>& commands,
                                    const std::string& device) {
  std::vector<std::string> faults;
  for (const std::string& text : commands) {
    const std::string command = expand_hook(text, device);
    int status = -1;
    ssize_t count = -1;
    if (::send(fd_.get(), command.data(), command.size(), MSG_NOSIGNAL) >= 0) {
      do count = ::recv(fd_.get(), &status, sizeof(status), 0);
      while (count < 0 && errno == EINTR);
    }
    if (count != sizeof(status))
      faults.push_back("the hooks' helper is gone; not run: " + command);
    else if (status != 0)
      faults.push_back("status " + std::to_string(WIFEXITED(status) ? WEXITSTATUS(status) : -1) +
                       " of: " + command);
  }
  return faults;
}

std::string expand_hook(const std::string& command, const std::string& device) {
  std::string text;
  for (std::size_t i = 0; i < command.size(); ++i) {
    if (command.compare(i, 2, "%i") == 0) {
      text += device;
      ++i;
    } else {
      text += command[i];
    }
  }
  return text;
}

}  // namespace wanbond
