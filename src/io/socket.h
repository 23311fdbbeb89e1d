// The UDP socket of one WAN: bound to its device and address, marked, with GRO and its own path MTU
// discovery. Everything that the kernel is told about a WAN socket is told here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/address.h"
#include "base/result.h"
#include "io/fd.h"

namespace wanbond {

/// What a WAN's socket is bound to.
struct WanSocketSettings {
  std::string device;        // bound to this interface (SO_BINDTODEVICE); empty: any
  IpAddress source;          // local address; unspecified: any of the box
  std::uint16_t port = 0;    // local UDP port; 0: the kernel picks one
  std::uint32_t fwmark = 0;  // SO_MARK, for the WAN's own routing rule; 0: none
  std::size_t buffer_bytes = std::size_t{8} << 20;  // of each direction; less without privilege
  bool gro = true;  // equal datagrams of one sender are received as one train
};

/// A non-blocking UDP socket that speaks both families (IPv4 as v4-mapped), or only IPv4 when the
/// source is IPv4 or the box has no IPv6. Datagrams carry don't-fragment and never obey a learnt
/// path MTU (RFC 8899: we probe ourselves). Tries for about a second while the port is busy: a
/// process that just ended gives its io_uring sockets back late. Errors name device, address or
/// port, and the cure.
Result<Fd> open_wan_socket(const WanSocketSettings& settings);

/// The port that a socket is bound to, host order; 0 when it is not bound.
std::uint16_t local_port(int fd) noexcept;

}  // namespace wanbond
