// What the tests of the I/O seam share: both back ends in turn, sockets on loopback, numbered
// trains, a namespace of the test's own.
#pragma once

#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "io/io.h"
#include "io/socket.h"

namespace wanbond {

inline constexpr SocketId kA{0};
inline constexpr SocketId kB{1};
inline constexpr std::size_t kBudget = 16 << 20;

/// Runs `body` once per back end; one that this machine refuses is named and passed over.
inline void for_each_io(const std::function<void(Io&, PacketPool&)>& body) {
  for (const IoChoice choice : {IoChoice::Uring, IoChoice::Epoll}) {
    PacketPool pool(kBudget);  // its destructor checks that every packet came back
    std::string why;
    Result<std::unique_ptr<Io>> io = make_io(choice, pool, why);
    if (!io) {
      MESSAGE("skipped: " << io.error().message);
      continue;
    }
    CAPTURE(std::string((*io)->name()));
    body(**io, pool);
  }
}

/// Two sockets of `io` on a loopback address.
struct Pair {
  Pair(Io& io_in, const char* address) : io(io_in) {
    const IpAddress source = *IpAddress::parse(address);
    for (int i = 0; i < 2; ++i) {
      Result<Fd> fd = open_wan_socket({.source = source});
      REQUIRE(fd);
      fds[i] = std::move(*fd);
      endpoints[i] = {source, local_port(fds[i].get())};
      REQUIRE(io.add_socket(SocketId{static_cast<std::uint16_t>(i)}, fds[i].get()));
    }
  }
  ~Pair() {
    io.remove_socket(kA);
    io.remove_socket(kB);
  }
  Io& io;
  Fd fds[2];
  Endpoint endpoints[2];
};

/// A train of `count` datagrams of `bytes`, each starting with its number from `first` on.
inline Transmit train_of(PacketPool& pool, const Endpoint& remote, std::size_t bytes,
                         std::size_t count = 1, std::uint32_t first = 0) {
  Transmit train;
  train.socket = kA;
  train.remote = remote;
  train.segments.buffer = pool.acquire(bytes * count);
  REQUIRE(train.segments.buffer.valid());
  train.segments.buffer.resize(bytes * count);
  train.segments.segment_bytes = static_cast<std::uint32_t>(bytes);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = first + static_cast<std::uint32_t>(i);
    std::memcpy(train.segments.buffer.bytes().data() + i * bytes, &number, sizeof(number));
  }
  return train;
}

/// Turns the loop until `enough` says so or a second passed; `see` gets every completion.
inline bool run(Io& io, const std::function<void(Completion&)>& see,
                const std::function<bool()>& enough) {
  const Time end = monotonic_now() + 1s;
  while (!enough() && monotonic_now() < end) {
    io.wait(std::min(end, monotonic_now() + 50ms));
    for (Completion& completion : io.reap()) see(completion);
  }
  return enough();
}

/// The numbers in the datagrams of a completion, appended to `numbers`.
inline void take_numbers(const Completion& completion, std::vector<std::uint32_t>& numbers) {
  if (completion.kind != Completion::Kind::Datagrams) return;
  for (std::size_t at = 0; at < completion.bytes.size(); at += completion.segment_bytes) {
    std::uint32_t number = 0;
    std::memcpy(&number, completion.bytes.data() + at, sizeof(number));
    numbers.push_back(number);
  }
}

inline bool is_counting(const std::vector<std::uint32_t>& numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i)
    if (numbers[i] != i) return false;
  return true;
}

/// Runs `body` in a child with its own network namespace; exit code 0 means all checks held, 77
/// that namespaces are not permitted.
inline int in_namespace(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNET) != 0) ::_exit(77);
    try {
      ::_exit(body() ? 0 : 1);
    } catch (...) {
      ::_exit(1);  // a REQUIRE; it has said what it wanted
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// Sets the MTU of an interface, and the interface up.
inline void bring_up(const char* device, int mtu) {
  const Fd control(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  request.ifr_mtu = mtu;
  ::ioctl(control.get(), SIOCSIFMTU, &request);
  ::ioctl(control.get(), SIOCGIFFLAGS, &request);
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  ::ioctl(control.get(), SIOCSIFFLAGS, &request);
}

/// Sends `bytes` from a plain IPv4 socket; `address` in host order.
inline bool send_to(int fd, std::uint32_t address, std::uint16_t port, std::size_t bytes) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(address);
  to.sin_port = htons(port);
  const std::vector<char> payload(bytes, 'x');
  return ::sendto(fd, payload.data(), bytes, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to)) > 0;
}

/// Says that a test was passed over, or checks its child's exit code.
inline void check_code(int code) {
  if (code == 77)
    MESSAGE("skipped: no permission for a network namespace");
  else
    CHECK(code == 0);
}

}  // namespace wanbond
