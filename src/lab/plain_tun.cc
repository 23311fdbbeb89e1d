#include "lab/plain_tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace wanbond {
namespace {

// Packets the kernel keeps for a reader that is late by up to 24 ms at 1 Gbit/s of 1500 bytes.
constexpr int kDeviceQueue = 2000;

Error failed(const std::string& what) { return Error{what + ": " + std::strerror(errno)}; }

Result<void> set_queue(const std::string& device) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_qlen = kDeviceQueue;
  if (!socket.valid() || ::ioctl(socket.get(), SIOCSIFTXQLEN, &request) != 0)
    return failed("cannot set the queue length of " + device);
  return {};
}

// /proc/sys/net shows the namespace of whoever opens it. Absent on a kernel without IPv6.
void write_sysctl(const std::string& device, const char* key, const char* value) {
  std::ofstream("/proc/sys/net/ipv6/conf/" + device + "/" + key) << value;
}

Result<Fd> create(const std::string& device) {
  if (device.empty() || device.size() >= IFNAMSIZ)
    return Error{"the device name '" + device + "' must have 1 to 15 bytes"};
  Fd fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) return failed("cannot open /dev/net/tun");
  ifreq request{};
  device.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0)
    return failed("cannot create the TUN device " + device);
  return fd;
}

}  // namespace

Result<Fd> open_plain_tun(const Netns& netns, const LinkEnd& end) {
  const auto visit = NetnsVisit::enter(netns);
  if (!visit) return visit.error();
  auto fd = create(end.device);
  if (!fd) return fd;
  if (const auto queue = set_queue(end.device); !queue) return queue.error();
  const bool has_v6 = std::any_of(end.addresses.begin(), end.addresses.end(),
                                  [](const auto& a) { return !a.address.is_v4(); });
  write_sysctl(end.device, "accept_dad", "0");
  if (!has_v6) write_sysctl(end.device, "disable_ipv6", "1");
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  if (const auto mtu = netlink->set_mtu(end.device, end.mtu_bytes); !mtu) return mtu.error();
  for (const InterfaceAddress& address : end.addresses)
    if (const auto added = netlink->add_address(end.device, address); !added) return added.error();
  if (const auto up = netlink->set_up(end.device); !up) return up.error();
  return fd;
}

Result<std::uint64_t> missed_packets(const Netns& netns, const std::string& device) {
  constexpr std::size_t kTransmitDropped = 12;  // column of /proc/net/dev, from 1
  const auto visit = NetnsVisit::enter(netns);
  if (!visit) return visit.error();
  std::ifstream file("/proc/thread-self/net/dev");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream name(line.substr(0, colon));
    std::string found;
    if (!(name >> found) || found != device) continue;
    std::istringstream columns(line.substr(colon + 1));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < kTransmitDropped; ++i) columns >> value;
    return value;
  }
  return Error{"cannot find " + device + " in /proc/thread-self/net/dev"};
}

}  // namespace wanbond
