#include "io/socket_table.h"

#include <errno.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace wanbond {
namespace {

int send_message(int fd, const SendMessage& message) noexcept {
  for (;;) {
    if (::sendmsg(fd, &message.header(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

/// Sends a train in parts of `step` bytes, which is a multiple of its segment. The first refusal
/// ends it: what follows would meet the same.
int send_parts(const SocketPlace& socket, const Transmit& train, std::size_t step) noexcept {
  const Bytes all = train.segments.buffer.bytes();
  for (std::size_t at = 0; at < all.size(); at += step) {
    const Bytes part = all.subspan(at, std::min(step, all.size() - at));
    SendMessage message;
    int error = message.prepare(train, socket.family, part, offload_bytes(train));
    if (error == 0) error = send_message(socket.fd, message);
    if (error != 0) return error;
  }
  return 0;
}

/// UDP_MAX_SEGMENTS of every kernel that knows UDP_SEGMENT; newer ones take 128.
constexpr std::size_t kSegmentsMax = 64;

bool may_be_cutting(int error) noexcept {
  return error == EIO || error == EINVAL || error == EMSGSIZE;
}

}  // namespace

Result<SocketPlace*> SocketTable::add(SocketId id, int fd) {
  const std::string name = "socket " + std::to_string(id.value);
  if (find(id) != nullptr) return Error{name + " is already in use"};
  SocketName bound{};
  socklen_t bytes = sizeof(bound);
  if (::getsockname(fd, &bound.generic, &bytes) != 0)
    return Error{"cannot use descriptor " + std::to_string(fd) + " as " + name + ": " +
                 std::strerror(errno)};
  const sa_family_t family = bound.generic.sa_family;
  if (family != AF_INET && family != AF_INET6)
    return Error{"cannot use descriptor " + std::to_string(fd) + " as " + name +
                 ": it is not of IPv4 or IPv6"};
  std::size_t index = 0;
  while (index < used_ && places_[index].fd >= 0) ++index;
  if (index == kCount)
    return Error{"cannot add " + name + ": " + std::to_string(kCount) + " are in use"};
  used_ = std::max(used_, index + 1);
  places_[index] = {.id = id, .fd = fd, .family = family, .generation = places_[index].generation};
  return &places_[index];
}

void SocketTable::remove(SocketPlace& place) noexcept {
  place = {.generation = (place.generation + 1) & 0xffffff};
}

SocketPlace* SocketTable::find(SocketId id) noexcept {
  for (SocketPlace& place : *this)
    if (place.fd >= 0 && place.id == id) return &place;
  return nullptr;
}

bool goes_singly(const SocketPlace& socket, const Transmit& train) noexcept {
  if (socket.refusals.empty() || train.segments.count() < 2) return false;
  return socket.refusals.includes(monotonic_now(), train.remote);
}

int send_train(SocketPlace& socket, const Transmit& train, IoCounters& counters) noexcept {
  if (goes_singly(socket, train)) return send_parts(socket, train, offload_bytes(train));
  SendMessage message;
  int error =
      message.prepare(train, socket.family, train.segments.buffer.bytes(), offload_bytes(train));
  if (error == 0) error = send_message(socket.fd, message);
  return error == 0 ? 0 : recover_train(socket, train, error, counters);
}

Completion send_failed(SocketId socket, const Endpoint& remote, int error) noexcept {
  Completion failed;
  failed.kind = Completion::Kind::SendFailed;
  failed.socket = socket;
  failed.remote = remote;
  failed.error = error;
  return failed;
}

int recover_train(SocketPlace& socket, const Transmit& train, int error,
                  IoCounters& counters) noexcept {
  const std::size_t count = train.segments.count();
  if (!may_be_cutting(error) || count < 2) return error;
  if (count > kSegmentsMax && error == EINVAL)
    return send_parts(socket, train, offload_bytes(train) * kSegmentsMax);
  const int alone = send_parts(socket, train, offload_bytes(train));
  if (alone == 0) {
    socket.refusals.add(monotonic_now(), train.remote);
    ++counters.gso_fallbacks;
  }
  return alone;
}

}  // namespace wanbond
