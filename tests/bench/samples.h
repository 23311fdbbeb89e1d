// Inner packets as a TUN device gives them, virtio header in front: what the benchmarks carry.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/unit/inner_packets.h"
#include "tun/offload.h"

namespace wanbond {

using Sample = std::vector<std::byte>;

/// TCP payload of a segment: what an inner MTU of 1420 leaves behind 20 + 32 bytes of headers.
inline constexpr std::size_t kTcpSegmentBytes = 1368;
inline constexpr std::size_t kTcpSegmentCount = 47;  // the most that fits 64 KiB
inline constexpr std::size_t kTcpPacketBytes = 52 + kTcpSegmentBytes;

inline Sample with_virtio(const VirtioHeader& header, const std::vector<std::byte>& packet) {
  Sample sample(kVirtioHeaderBytes + packet.size());
  header.write(MutableBytes(sample).first<kVirtioHeaderBytes>());
  std::copy(packet.begin(), packet.end(), sample.begin() + kVirtioHeaderBytes);
  return sample;
}

/// 64 KB of one TCP flow, with timestamps, its checksum left to the receiver.
inline Sample tcp_super_packet() {
  const test::PacketPlan plan{.payload_bytes = kTcpSegmentCount * kTcpSegmentBytes,
                              .tcp_options = 12};
  return with_virtio({.flags = kVirtioNeedsChecksum,
                      .gso_type = kVirtioGsoTcp4,
                      .header_bytes = 52,
                      .segment_bytes = kTcpSegmentBytes,
                      .csum_start = 20,
                      .csum_offset = 16},
                     test::make_packet(plan, Checksum::Partial));
}

/// `count` datagrams of one UDP flow, each an IP packet of `packet_bytes`, as a sender without
/// segmentation offload makes them.
inline std::vector<Sample> udp_packets(std::size_t count, std::size_t packet_bytes) {
  std::vector<Sample> samples;
  for (std::size_t i = 0; i < count; ++i) {
    const test::PacketPlan plan{.protocol = kProtocolUdp,
                                .payload_bytes = packet_bytes - 28,
                                .id = static_cast<std::uint16_t>(i)};
    samples.push_back(
        with_virtio({.flags = kVirtioNeedsChecksum, .csum_start = 20, .csum_offset = 6},
                    test::make_packet(plan, Checksum::Partial)));
  }
  return samples;
}

}  // namespace wanbond
