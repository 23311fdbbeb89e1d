// Transmit: a train of datagrams on its way out, as the core orders it and the I/O carries it out.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/ids.h"
#include "base/packet.h"

namespace wanbond {

/// A train for one WAN socket. `local` is the source address to send from, or unspecified for the
/// socket's own choice; `tos` is the outer traffic class.
struct Transmit {
  SocketId socket;
  Endpoint remote;
  IpAddress local;
  std::uint8_t tos = 0;
  Segments segments;
};

}  // namespace wanbond
