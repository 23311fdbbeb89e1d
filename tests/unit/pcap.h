// A small reader of classic pcap files for test vectors (both byte orders, micro- and nanosecond
// stamps), and the way from an Ethernet frame to its UDP payload. Tests only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/time.h"

namespace wanbond::test {

/// One captured packet.
struct PcapPacket {
  Duration time{};               ///< since 1970
  std::uint32_t wire_bytes = 0;  ///< its length on the wire; `bytes` may be cut
  std::vector<std::byte> bytes;  ///< from the link-layer header on
};

/// A whole file. A file that ends within a packet, or claims an absurd length, ends there.
struct Pcap {
  std::uint32_t link_type = 0;  ///< 1 Ethernet, 101 raw IP
  std::vector<PcapPacket> packets;
};

/// UDP payload with its addresses; views of the packet.
struct UdpPacket {
  Endpoint source;
  Endpoint destination;
  Bytes payload;
};

/// Integers of the file's own byte order.
class PcapReader {
 public:
  PcapReader(Bytes bytes, bool big_endian) : in_(bytes), big_endian_(big_endian) {}
  std::uint32_t u32() { return big_endian_ ? in_.u32_be() : in_.u32(); }
  Bytes take(std::size_t count) { return in_.take(count); }
  void skip(std::size_t count) { in_.skip(count); }
  bool ok() const { return in_.ok(); }
  std::size_t remaining() const { return in_.remaining(); }

 private:
  ByteReader in_;
  bool big_endian_;
};

/// Magic numbers; they tell the byte order as well.
inline constexpr std::uint32_t kPcapMicroseconds = 0xa1b2c3d4;
inline constexpr std::uint32_t kPcapNanoseconds = 0xa1b23c4d;

/// None when the file is absent; an empty capture when it is no pcap.
inline std::optional<Pcap> read_pcap(const std::string& file_name) {
  std::ifstream file(file_name, std::ios::binary);
  if (!file) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const Bytes bytes = std::as_bytes(std::span(text));

  Pcap capture;
  ByteReader magic_in(bytes);
  const std::uint32_t magic = magic_in.u32();
  const std::uint32_t swapped = ByteReader(bytes).u32_be();
  const bool big_endian = swapped == kPcapMicroseconds || swapped == kPcapNanoseconds;
  const std::uint32_t native = big_endian ? swapped : magic;
  if (native != kPcapMicroseconds && native != kPcapNanoseconds) return capture;

  PcapReader in(bytes, big_endian);
  in.skip(20);
  capture.link_type = in.u32() & 0xffff;
  const Duration tick = native == kPcapMicroseconds ? Duration(1us) : Duration(1ns);
  while (in.remaining() > 0) {
    PcapPacket packet;
    const std::uint32_t seconds = in.u32();
    packet.time = std::chrono::seconds(seconds) + in.u32() * tick;
    const std::uint32_t captured_bytes = in.u32();
    packet.wire_bytes = in.u32();
    const Bytes content = in.take(std::min<std::size_t>(captured_bytes, in.remaining()));
    if (!in.ok()) break;
    packet.bytes.assign(content.begin(), content.end());
    capture.packets.push_back(std::move(packet));
  }
  return capture;
}

/// The UDP payload of an IPv4 or IPv6 packet without extension headers or fragments.
inline std::optional<UdpPacket> udp_of_ip(Bytes packet) {
  constexpr std::uint8_t kUdp = 17;
  ByteReader in(packet);
  const unsigned first = in.u8();
  UdpPacket udp;
  if (first >> 4 == 4) {
    in.skip(8);
    if (in.u8() != kUdp) return std::nullopt;
    in.skip(2);
    const Bytes source = in.take(4);
    const Bytes destination = in.take(4);
    if ((first & 15) < 5 || !in.ok()) return std::nullopt;
    in.skip(4 * ((first & 15) - 5));
    udp.source.address = IpAddress::from_bytes(source);
    udp.destination.address = IpAddress::from_bytes(destination);
  } else if (first >> 4 == 6) {
    in.skip(5);
    if (in.u8() != kUdp) return std::nullopt;
    in.skip(1);
    const Bytes source = in.take(16);
    const Bytes destination = in.take(16);
    if (!in.ok()) return std::nullopt;
    udp.source.address = IpAddress::from_bytes(source);
    udp.destination.address = IpAddress::from_bytes(destination);
  } else {
    return std::nullopt;
  }
  udp.source.port = in.u16_be();
  udp.destination.port = in.u16_be();
  const std::size_t length = in.u16_be();
  in.skip(2);
  if (!in.ok() || length < 8) return std::nullopt;
  udp.payload = in.take(std::min<std::size_t>(length - 8, in.remaining()));
  return udp;
}

/// The same of a captured packet: Ethernet with up to two VLAN tags, or raw IP.
inline std::optional<UdpPacket> udp_of(const Pcap& capture, const PcapPacket& packet) {
  constexpr std::uint32_t kRawIp = 101;
  if (capture.link_type == kRawIp) return udp_of_ip(packet.bytes);
  ByteReader in(packet.bytes);
  in.skip(12);
  std::uint16_t ether_type = in.u16_be();
  for (int tags = 0; tags < 2 && (ether_type == 0x8100 || ether_type == 0x88a8); ++tags) {
    in.skip(2);
    ether_type = in.u16_be();
  }
  if (ether_type != 0x0800 && ether_type != 0x86dd) return std::nullopt;
  return udp_of_ip(in.take(in.remaining()));
}

}  // namespace wanbond::test
