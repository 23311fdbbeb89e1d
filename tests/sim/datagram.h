// Datagram: one UDP datagram on its way through the simulated network.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/address.h"

namespace wanbond::sim {

/// A datagram owns its bytes; NAT boxes change its addresses.
struct Datagram {
  Endpoint from;
  Endpoint to;
  std::uint8_t tos = 0;
  std::vector<std::byte> bytes;

  /// Size as an IP packet.
  std::uint32_t ip_bytes() const noexcept {
    const std::size_t headers = to.address.is_v4() ? 20 + 8 : 40 + 8;
    return static_cast<std::uint32_t>(bytes.size() + headers);
  }
};

/// Where a datagram goes next.
using Deliver = std::function<void(Datagram&&)>;

}  // namespace wanbond::sim
