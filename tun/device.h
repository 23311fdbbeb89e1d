// The LAN device: a TUN interface that exchanges super packets with the kernel. Addresses and
// routes are the matter of io/netlink. Source: Linux Documentation/networking/tuntap.rst.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "io/fd.h"
#include "tun/offload.h"

namespace wanbond {

/// What the kernel may leave to the reader of a TUN device: segmentation and checksums, or nothing.
enum class TunOffloads : std::uint8_t { All, None };

/// An open TUN interface; it disappears with this object. Reads and writes are non-blocking and
/// start with a VirtioHeader; a write before bring_up() fails with EIO.
class TunDevice {
 public:
  /// Makes the interface `name` (1 to 15 bytes; "wb%d" lets the kernel number it) with checksum,
  /// TCP and, where the kernel can, UDP offload, or without any. Waits up to one second for a
  /// previous owner that is still closing. The error names the device and the cure.
  static Result<TunDevice> open(const std::string& name, TunOffloads offloads = TunOffloads::All);

  int fd() const noexcept { return fd_.get(); }
  /// The name the kernel gave.
  const std::string& name() const noexcept { return name_; }
  /// Whether super packets of UDP may be written (and are read).
  UdpOffload udp_offload() const noexcept { return udp_offload_; }

  /// How many packets it holds until they are read, super packets too; one more is dropped. 1 to
  /// 100000.
  Result<void> set_queue(std::uint32_t packets);
  /// Sets the interface's MTU, bytes (68 to 65535; IPv6 needs 1280).
  Result<void> set_mtu(std::uint32_t mtu_bytes);
  /// Sets the interface up.
  Result<void> bring_up();

 private:
  TunDevice(Fd fd, std::string name, UdpOffload udp) noexcept
      : fd_(std::move(fd)), name_(std::move(name)), udp_offload_(udp) {}

  Fd fd_;
  std::string name_;
  UdpOffload udp_offload_;
};

}  // namespace wanbond
