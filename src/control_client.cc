#include "control_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "config.h"
#include "io/line_server.h"

namespace wanbond {
namespace {

constexpr const char* kRunFolder = "/run/wanbond";

/// Sockets in the run folder, for who names no instance.
std::vector<std::string> known_sockets() {
  std::vector<std::string> sockets;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kRunFolder, error)) {
    if (entry.path().extension() == ".sock") sockets.push_back(entry.path().string());
  }
  return sockets;
}

/// The path of the control socket, or an error with the exit status. Who may not read the
/// configuration may still ask: then the default place counts.
Result<std::string> find_socket(const CommandLine& line, int& status) {
  status = kExitUsage;
  if (!line.config_file.empty()) {
    auto path = control_path_in(line.config_file);
    if (path || line.name.empty()) return path;
    return std::string(kRunFolder) + "/" + line.name + ".sock";
  }
  const auto sockets = known_sockets();
  if (sockets.size() == 1) return sockets.front();
  if (!sockets.empty()) return Error{"several instances run; which one? give NAME"};
  status = kExitNotRunning;
  return Error{"no instance runs here"};
}

bool write_all(int fd, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t count = ::write(fd, data, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data += count;
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

/// A connection on which the request has been sent, or an error with the exit status.
Result<Fd> connect_and_ask(const CommandLine& line, const std::string& request, int& status) {
  const auto path = find_socket(line, status);
  if (!path) return path.error();
  int error = 0;
  auto socket = connect_unix(*path, error);
  if (!socket) {
    const bool absent = error == ENOENT || error == ECONNREFUSED;
    status = absent ? kExitNotRunning : kExitFailed;
    if (absent) return Error{"no such instance is running (" + *path + ")"};
    return socket.error();
  }
  const std::string text = request + "\n";
  if (write_all(socket->get(), text.data(), text.size())) return socket;
  status = kExitFailed;
  return Error{"the instance does not listen: " + std::string(std::strerror(errno))};
}

}  // namespace

int ask_instance(const CommandLine& line, const std::string& request) {
  int status = kExitFine;
  const auto socket = connect_and_ask(line, request, status);
  if (!socket) {
    complain(socket.error().message);
    return status;
  }
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t count = ::read(socket->get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) return kExitFine;
    if (count < 0 || !write_all(STDOUT_FILENO, buffer.data(), static_cast<std::size_t>(count)))
      return kExitFailed;
  }
}

Result<std::string> fetch_from_instance(const CommandLine& line, const std::string& request,
                                        int& status) {
  const auto socket = connect_and_ask(line, request, status);
  if (!socket) return socket.error();
  std::string answer;
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t count = ::read(socket->get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    answer.append(buffer.data(), static_cast<std::size_t>(count));
  }
  status = answer.empty() ? kExitFailed : kExitFine;
  if (answer.empty()) return Error{"the instance does not answer"};
  return answer;
}

int tell_instance(const CommandLine& line, const std::string& order) {
  int status = kExitFine;
  const auto answer = fetch_from_instance(line, order, status);
  if (answer && *answer == "ok\n") return kExitFine;
  complain(answer ? *answer : answer.error().message);
  return answer ? kExitFailed : status;
}

}  // namespace wanbond
