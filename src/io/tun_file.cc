#include "io/tun_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace wanbond {
namespace {

/// Copied up to here: cheaper than to hold a buffer of 64 KiB, and it stays warm for the next read.
constexpr std::size_t kCopyBytesMax = PacketPool::kClassBytes[1];

}  // namespace

Packet packet_for(PacketPool& pool, std::size_t bytes) noexcept {
  Packet packet = pool.acquire(bytes);
  if (!packet.valid()) return packet;
  packet.grow_front(kVirtioBytes);
  packet.resize(bytes);
  return packet;
}

Packet take_packet(PacketPool& pool, Packet& large, std::size_t bytes) noexcept {
  check(large.valid() && bytes <= kTunReadBytes);
  if (bytes <= kCopyBytesMax && bytes >= kVirtioBytes) {
    Packet copy = packet_for(pool, bytes);
    if (copy.valid()) {
      std::memcpy(copy.bytes().data(), large.bytes().data(), bytes);
      return copy;
    }
  }
  large.resize(bytes);
  return std::exchange(large, Packet());
}

MutableBytes TunReader::room() noexcept {
  if (!packet_.valid()) packet_ = packet_for(pool_, kTunReadBytes);
  return packet_.valid() ? packet_.bytes() : MutableBytes{};
}

Packet TunReader::take(std::size_t bytes) noexcept { return take_packet(pool_, packet_, bytes); }

std::optional<Packet> TunReader::read(int fd, int& error) noexcept {
  const MutableBytes into = room();
  if (into.empty()) {
    error = ENOBUFS;
    return std::nullopt;
  }
  const ssize_t got = ::read(fd, into.data(), into.size());
  if (got > 0) return take(static_cast<std::size_t>(got));
  error = got == 0 ? EBADFD : (errno == EAGAIN || errno == EINTR) ? 0 : errno;
  return std::nullopt;
}

int write_parts(int fd, std::span<const Bytes> parts) noexcept {
  std::array<iovec, kPartsMax> vectors;
  if (parts.size() > vectors.size()) return EINVAL;
  for (std::size_t i = 0; i < parts.size(); ++i)
    vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
  for (;;) {
    if (::writev(fd, vectors.data(), static_cast<int>(parts.size())) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

bool is_device_gone(int error) noexcept {
  return error == EBADFD || error == EBADF || error == ENODEV || error == ENXIO;
}

int set_nonblocking(int fd) noexcept {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  return 0;
}

}  // namespace wanbond
