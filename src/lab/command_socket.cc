#include "lab/command_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace wanbond {
namespace {

constexpr std::size_t kClientsMax = 32;
constexpr std::size_t kLineBytesMax = 4096;
constexpr int kBacklog = 8;

Error failed(const std::string& path) {
  return Error{"cannot listen at " + path + ": " + std::strerror(errno)};
}

}  // namespace

Result<CommandSocket> CommandSocket::open(const std::string& path, Emulator& emulator) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path))
    return Error{"the socket path " + path + " is too long (at most 107 bytes)"};
  path.copy(address.sun_path, path.size());
  Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.valid()) return failed(path);
  ::unlink(path.c_str());
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return failed(path);
  CommandSocket socket(path, std::move(listener), emulator);
  if (::chmod(path.c_str(), 0600) != 0 || ::listen(socket.listener_.get(), kBacklog) != 0)
    return failed(path);
  if (const auto watched = emulator.watch(socket.listener_.get()); !watched) return watched.error();
  return socket;
}

CommandSocket::~CommandSocket() {
  if (path_.empty()) return;
  for (const auto& [fd, client] : clients_) emulator_->unwatch(fd);
  emulator_->unwatch(listener_.get());
  ::unlink(path_.c_str());
}

void CommandSocket::serve(int fd, Console& console) {
  if (fd == listener_.get()) return accept_client();
  const auto client = clients_.find(fd);
  if (client == clients_.end() || answer(client->second, console)) return;
  emulator_->unwatch(fd);
  clients_.erase(client);
}

void CommandSocket::accept_client() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid() || clients_.size() >= kClientsMax) return;
  const int number = fd.get();
  if (emulator_->watch(number)) clients_[number] = Client{std::move(fd), {}};
}

// False when the client is to be disconnected.
bool CommandSocket::answer(Client& client, Console& console) {
  std::array<char, kLineBytesMax> buffer;
  const ssize_t size = ::recv(client.fd.get(), buffer.data(), buffer.size(), 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) return false;
  client.unread.append(buffer.data(), static_cast<std::size_t>(size));
  for (std::size_t end; (end = client.unread.find('\n')) != std::string::npos;) {
    const std::string reply = console.execute(client.unread.substr(0, end)) + "\n";
    client.unread.erase(0, end + 1);
    const ssize_t sent = ::send(client.fd.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(reply.size())) return false;
  }
  return client.unread.size() <= kLineBytesMax;
}

}  // namespace wanbond
