#include "io/socket.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "io/message.h"

namespace wanbond {
namespace {

/// How long the port of a process that just ended may stay busy, and how often we ask.
constexpr auto kBusyTries = 20;
constexpr auto kBusyPause = std::chrono::milliseconds(50);

std::string quoted(const std::string& name) { return "\"" + name + "\""; }

/// Sets an integer option; 0 or errno.
int set_option(int fd, int level, int option, int value) noexcept {
  return ::setsockopt(fd, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

Result<Fd> open_udp(const IpAddress& source, sa_family_t& family) {
  family = source.is_v4() ? AF_INET : AF_INET6;
  Fd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd.valid() && errno == EAFNOSUPPORT && source.is_unspecified()) {
    family = AF_INET;  // a box without IPv6
    fd = Fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  }
  if (!fd.valid()) return Error{std::string("cannot open a UDP socket: ") + std::strerror(errno)};
  return fd;
}

Result<void> bind_device(int fd, const std::string& device) {
  if (device.empty()) return {};
  const auto bytes = static_cast<socklen_t>(device.size() + 1);
  if (::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device.c_str(), bytes) == 0) return {};
  const int error = errno;
  const std::string what = "cannot bind a socket to device " + quoted(device) + ": ";
  if (error == ENODEV)
    return Error{what + "there is no such interface; see `ip link`, or wait until it comes"};
  if (error == EPERM) return Error{what + "not permitted; run as root or with CAP_NET_ADMIN"};
  return Error{what + std::strerror(error)};
}

Result<void> set_mark(int fd, std::uint32_t mark) {
  if (mark == 0) return {};
  const int error = set_option(fd, SOL_SOCKET, SO_MARK, static_cast<int>(mark));
  if (error == 0) return {};
  const std::string cure = error == EPERM ? "; run as root or with CAP_NET_ADMIN" : "";
  return Error{"cannot set the firewall mark " + std::to_string(mark) +
               " on a socket: " + std::strerror(error) + cure};
}

/// Options whose absence costs speed or knowledge, not correctness: nothing to report.
void set_buffers(int fd, std::size_t bytes) noexcept {
  // The kernel doubles the figure for its own book-keeping.
  const int size = static_cast<int>(std::clamp<std::size_t>(bytes, 65536, 1 << 29));
  if (set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, size) != 0)
    set_option(fd, SOL_SOCKET, SO_RCVBUF, size);
  if (set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, size) != 0)
    set_option(fd, SOL_SOCKET, SO_SNDBUF, size);
}

/// The options of one family; an IPv6 socket takes those of IPv4 too, for v4-mapped traffic.
Result<void> set_family_options(int fd, sa_family_t family) {
  int error = set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  if (error == 0) error = set_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
  if (family == AF_INET) {
    if (error == 0) error = set_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  } else {
    if (error == 0) error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (error == 0) error = set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    if (error == 0) error = set_option(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    if (error == 0) error = set_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
    if (error == 0) error = set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  }
  if (error == 0) return {};
  return Error{std::string("cannot set the options of a UDP socket: ") + std::strerror(error)};
}

Error bind_error(int error, const WanSocketSettings& settings) {
  const std::string port = std::to_string(settings.port);
  const std::string source =
      settings.source.is_unspecified() ? "any address" : settings.source.to_string();
  const std::string what = "cannot bind UDP port " + port + " of " + source +
                           (settings.device.empty() ? "" : " on " + quoted(settings.device)) + ": ";
  if (error == EADDRINUSE)
    return {what + "another program holds it; find it with `ss -ulpn sport = :" + port +
            "`, or choose another ListenPort"};
  if (error == EADDRNOTAVAIL)
    return {what + "this box does not have the address (yet); see `ip address`"};
  if (error == EACCES)
    return {what + "not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE"};
  return {what + std::strerror(error)};
}

Result<void> bind_source(int fd, sa_family_t family, const WanSocketSettings& settings) {
  SocketName name{};
  // A dual-stack socket that falls back to IPv4 has no source: 0.0.0.0.
  const IpAddress source =
      family == AF_INET && settings.source.is_unspecified() ? IpAddress::v4(0) : settings.source;
  const socklen_t bytes = write_name({source, settings.port}, family, name);
  if (family == AF_INET6) {
    name.v6.sin6_scope_id =
        IN6_IS_ADDR_LINKLOCAL(&name.v6.sin6_addr) ? ::if_nametoindex(settings.device.c_str()) : 0;
  }
  for (int attempt = 1;; ++attempt) {
    if (::bind(fd, &name.generic, bytes) == 0) return {};
    if (errno != EADDRINUSE || attempt == kBusyTries) return bind_error(errno, settings);
    std::this_thread::sleep_for(kBusyPause);
  }
}

}  // namespace

Result<Fd> open_wan_socket(const WanSocketSettings& settings) {
  sa_family_t family = AF_UNSPEC;
  Result<Fd> fd = open_udp(settings.source, family);
  if (!fd) return fd;
  if (Result<void> r = bind_device(fd->get(), settings.device); !r) return r.error();
  if (Result<void> r = set_mark(fd->get(), settings.fwmark); !r) return r.error();
  if (Result<void> r = set_family_options(fd->get(), family); !r) return r.error();
  set_buffers(fd->get(), settings.buffer_bytes);
  // Refused by kernels before 5.0: then they come singly.
  if (settings.gro) set_option(fd->get(), IPPROTO_UDP, UDP_GRO, 1);
  // Where it is refused, what comes has come when it is read.
  set_option(fd->get(), SOL_SOCKET, SO_TIMESTAMPNS, 1);
  if (Result<void> r = bind_source(fd->get(), family, settings); !r) return r.error();
  return fd;
}

std::uint16_t local_port(int fd) noexcept {
  SocketName name{};
  socklen_t bytes = sizeof(name);
  if (::getsockname(fd, &name.generic, &bytes) != 0) return 0;
  return read_name(name).port;
}

}  // namespace wanbond
