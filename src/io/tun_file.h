// Reading and writing packets on a TUN descriptor, for both I/O back ends. The descriptor carries a
// virtio header before each packet (IFF_VNET_HDR); tun/device opens it.
#pragma once

#include <optional>
#include <span>

#include "base/packet.h"

namespace wanbond {

/// Length of struct virtio_net_hdr, which comes before every packet of the TUN.
inline constexpr std::size_t kVirtioBytes = 10;
/// Parts of one write at most (IOV_MAX).
inline constexpr std::size_t kPartsMax = 1024;

/// Content of a full read: the virtio header and the longest IP packet.
inline constexpr std::size_t kTunReadBytes = kVirtioBytes + 65535;

/// A packet of `bytes` whose content starts with the virtio header, before a 64-byte boundary; not
/// valid() when the pool has none.
Packet packet_for(PacketPool& pool, std::size_t bytes) noexcept;
/// The packet whose `bytes` were read into `large`: itself, or a copy in a buffer of its own size.
/// Then `large` keeps its buffer and its length.
Packet take_packet(PacketPool& pool, Packet& large, std::size_t bytes) noexcept;

/// The packet that the next read of a TUN goes into. Small packets are copied out of it into a
/// buffer of their own size, so a queue of them does not hold the large buffers.
class TunReader {
 public:
  explicit TunReader(PacketPool& pool) noexcept : pool_(pool) {}

  /// Room for the largest super packet, its inner packet on a 64-byte boundary; empty when the
  /// pool has no large buffer left.
  MutableBytes room() noexcept;
  /// The packet whose `bytes` were read into room().
  Packet take(std::size_t bytes) noexcept;
  /// Reads one packet without waiting. None: `error` is 0 (nothing there), ENOBUFS (no buffer) or
  /// what the device said.
  std::optional<Packet> read(int fd, int& error) noexcept;
  /// Gives the buffer back to the pool.
  void reset() noexcept { packet_ = Packet(); }

 private:
  PacketPool& pool_;
  Packet packet_;
};

/// Writes one packet, the concatenation of `parts`, without waiting; 0 or errno.
int write_parts(int fd, std::span<const Bytes> parts) noexcept;

/// True when the device is gone for good, so that reading again is useless.
bool is_device_gone(int error) noexcept;

/// Puts a descriptor into non-blocking mode; 0 or errno.
int set_nonblocking(int fd) noexcept;

}  // namespace wanbond
