#include "io/line_server.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace wanbond {
namespace {

/// 1 s in all.
constexpr int kBusyTries = 20;
constexpr useconds_t kBusyPauseUs = 50'000;

constexpr Duration kRetryPause = 10ms;  // between writes to a client that reads slowly
constexpr int kBacklog = 16;

Error failed(const std::string& what, int error) {
  return Error{what + ": " + std::strerror(error)};
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return Error{path + " is too long for a socket"};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

}  // namespace

Result<void> LineServer::start(Io& io) {
  io_ = &io;
  return io.watch(listener_.get(), token_);
}

std::vector<LineRequest> LineServer::on_readable(int token) {
  std::vector<LineRequest> requests;
  if (token == token_) {
    accept_all();
    return requests;
  }
  LineRequest request{static_cast<std::size_t>(token - token_ - 1), ""};
  Client& client = clients_[request.client];
  if (client.fd.valid() && read_request(client, request)) requests.push_back(std::move(request));
  return requests;
}

void LineServer::accept_all() {
  while (true) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    const auto free = std::find_if(clients_.begin(), clients_.end(),
                                   [](const Client& client) { return !client.fd.valid(); });
    if (free == clients_.end()) continue;  // full: closed at once
    const int token = token_ + 1 + static_cast<int>(free - clients_.begin());
    if (!io_->watch(fd.get(), token)) continue;
    *free = Client{};
    free->fd = std::move(fd);
  }
}

bool LineServer::read_request(Client& client, LineRequest& request) {
  char buffer[kRequestMax];
  const ssize_t count = ::recv(client.fd.get(), buffer, sizeof(buffer), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (count <= 0) {
    drop(request.client);
    return false;
  }
  if (client.asked) return false;
  client.input.append(buffer, static_cast<std::size_t>(count));
  const std::size_t end = client.input.find('\n');
  if (end == std::string::npos) {
    if (client.input.size() >= kRequestMax) drop(request.client);
    return false;
  }
  client.asked = true;
  request.line = client.input.substr(0, end);
  if (request.line.ends_with('\r')) request.line.pop_back();
  client.input = {};
  return true;
}

void LineServer::answer(std::size_t index, const std::string& text, After after) {
  Client& client = clients_[index];
  if (!client.fd.valid()) return;
  if (client.output.size() - client.sent + text.size() > kOutputMax) return drop(index);
  client.output.erase(0, std::exchange(client.sent, 0));
  client.output += text;
  client.close_after = after == After::Close;
  write_some(index);
}

void LineServer::flush() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (clients_[i].sent < clients_[i].output.size()) write_some(i);
  }
}

Time LineServer::next_timeout(Time now) const noexcept {
  const bool waits = std::any_of(clients_.begin(), clients_.end(), [](const Client& client) {
    return client.sent < client.output.size();
  });
  return waits ? now + kRetryPause : kNever;
}

void LineServer::write_some(std::size_t index) {
  Client& client = clients_[index];
  while (client.sent < client.output.size()) {
    const ssize_t count = ::send(client.fd.get(), client.output.data() + client.sent,
                                 client.output.size() - client.sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) return drop(index);
    client.sent += static_cast<std::size_t>(count);
  }
  client.output.clear();
  client.sent = 0;
  if (client.close_after) drop(index);
}

void LineServer::drop(std::size_t index) noexcept {
  io_->unwatch(token_ + 1 + static_cast<int>(index));
  clients_[index] = Client{};
}

Result<Fd> listen_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return address.error();
  // io_uring lets go of the sockets of a killed process a moment later (tun/device waits, too).
  int error = 0;
  for (int tries = 0; connect_unix(path, error); ++tries) {
    if (tries == kBusyTries) return Error{path + " is in use: the instance runs already"};
    ::usleep(kBusyPauseUs);
  }
  if (error == ECONNREFUSED) ::unlink(path.c_str());  // left over by a process that is gone
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("control socket", errno);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) != 0)
    return failed("cannot bind the control socket " + path, errno);
  if (::chmod(path.c_str(), 0660) != 0 || ::listen(fd.get(), kBacklog) != 0)
    return failed("cannot listen on " + path, errno);
  return fd;
}

Result<Fd> listen_tcp(const Endpoint& endpoint) {
  Fd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(endpoint.port);
  std::memcpy(&v6.sin6_addr, endpoint.address.mapped().data(), sizeof(v6.sin6_addr));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(endpoint.port);
  const bool is_v4 = endpoint.address.is_v4();
  if (is_v4) {
    fd = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    std::memcpy(&v4.sin_addr, endpoint.address.bytes().data(), sizeof(v4.sin_addr));
  }
  const int on = 1;
  const auto* address =
      is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  const socklen_t length = is_v4 ? sizeof(v4) : sizeof(v6);
  if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      ::bind(fd.get(), address, length) != 0 || ::listen(fd.get(), kBacklog) != 0)
    return failed("cannot listen on " + endpoint.to_string(), errno);
  return fd;
}

bool may_share_network(const Fd& connection) noexcept {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return true;
  // io_uring keeps the sockets of a killed process open a moment longer than the process.
  if (peer.pid > 0 && ::kill(peer.pid, 0) != 0 && errno == ESRCH) return false;
  const std::string theirs = "/proc/" + std::to_string(peer.pid) + "/ns/net";
  struct stat own {};
  struct stat other {};
  if (::stat("/proc/self/ns/net", &own) != 0 || ::stat(theirs.c_str(), &other) != 0) return true;
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

Result<Fd> connect_unix(const std::string& path, int& error_number) {
  error_number = ENAMETOOLONG;
  const auto address = unix_address(path);
  if (!address) return address.error();
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.valid() &&
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(*address)) == 0) {
    error_number = 0;
    return fd;
  }
  error_number = errno;
  return failed("cannot connect to " + path, error_number);
}

}  // namespace wanbond
