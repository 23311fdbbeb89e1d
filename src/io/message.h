// What goes around a UDP payload in sendmsg and recvmsg: socket addresses and control messages
// (local address, traffic class, segment size, time of arrival). Both back ends use it. Sources:
// ip(7), ipv6(7), udp(7), RFC 3542, the kernel's networking/timestamping.rst.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"
#include "io/io.h"

namespace wanbond {

/// Room for every control message that we ask for or send: packet info (40), traffic class of
/// either family (24 each), segment size (24), time of arrival (32).
inline constexpr std::size_t kControlBytes = 144;
/// Largest receive: UDP_GRO merges up to one IP packet's length.
inline constexpr std::size_t kReceiveBytesMax = 65536;

/// The socket address of either family. `storage` is all zero for AF_UNSPEC.
union SocketName {
  sockaddr generic;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

/// Length of the socket address of `endpoint` for a socket of `family` (AF_INET or AF_INET6),
/// written to `name`; 0 when an IPv4 socket is to reach an IPv6 address.
socklen_t write_name(const Endpoint& endpoint, sa_family_t family, SocketName& name) noexcept;
/// The endpoint in a socket address; the default one for any other family.
Endpoint read_name(const SocketName& name) noexcept;

/// A message header for one datagram or train. It points into itself and to the payload, so it
/// stays where it is until the kernel has taken it.
class SendMessage {
 public:
  SendMessage() noexcept = default;
  SendMessage(const SendMessage&) = delete;
  SendMessage& operator=(const SendMessage&) = delete;

  /// Takes addresses and class from `train` and sends `payload`, cut into `segment_bytes` by the
  /// kernel when there is more than one (UDP_SEGMENT). Returns 0 or EAFNOSUPPORT.
  int prepare(const Transmit& train, sa_family_t family, Bytes payload,
              std::size_t segment_bytes) noexcept;
  const msghdr& header() const noexcept { return header_; }

 private:
  msghdr header_{};
  iovec payload_{};
  SocketName name_{};
  alignas(cmsghdr) std::array<std::byte, kControlBytes> control_{};
};

/// What the control messages of a receive say.
struct ReceiveInfo {
  IpAddress local;                  // unspecified when the kernel did not say
  std::uint8_t tos = 0;             // traffic class
  std::uint32_t segment_bytes = 0;  // UDP_GRO; 0: one datagram
  WallTime arrived;                 // when the kernel had it (SO_TIMESTAMPNS); 0: it did not say
};

/// Reads the control part of `header` (msg_control and msg_controllen).
ReceiveInfo read_control(const msghdr& header) noexcept;

}  // namespace wanbond
