// A TUN interface without offloads for the link emulator: one read or write is one IP packet, as
// it would be on a wire. The product's own device is tun/device.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/fd.h"
#include "io/netlink.h"
#include "lab/netns.h"

namespace wanbond {

/// One end of an emulated link: the device that appears in a namespace.
struct LinkEnd {
  std::string device;                       // 1 to 15 bytes
  std::vector<InterfaceAddress> addresses;  // set on it; their subnets route to it
  std::uint32_t mtu_bytes = 1500;
};

/// Makes the device inside `netns`, with its addresses and up; it lives as long as the
/// descriptor, which is non-blocking and works from any namespace. Without an IPv6 address, IPv6
/// is off on the device, so that the kernel sends nothing of its own.
Result<Fd> open_plain_tun(const Netns& netns, const LinkEnd& end);

/// Packets that the device's kernel side dropped because its reader was too slow: 0 in a sound
/// experiment. None if it cannot be read.
Result<std::uint64_t> missed_packets(const Netns& netns, const std::string& device);

}  // namespace wanbond
