#include "tun/device.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inner_packets.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

constexpr std::uint32_t kOwnAddress = 0x0a000002;   // where make_packet sends to
constexpr std::uint32_t kPeerAddress = 0x0a000001;  // behind the device
constexpr std::uint32_t kMtu = 1400;
constexpr int kPatienceMs = 3000;

// A TUN device in a network namespace that only this process has, so nothing of the host's network
// is touched. None, with a message, where that cannot be had.
std::optional<TunDevice> device_in_namespace() {
  if (::unshare(CLONE_NEWNET) != 0) {
    MESSAGE("skipped: no network namespace: " << std::strerror(errno));
    return {};
  }
  auto device = TunDevice::open("wbtest%d");
  if (!device) {
    MESSAGE("skipped: " << device.error().message);
    return {};
  }
  REQUIRE(device->set_mtu(kMtu));
  REQUIRE(device->set_queue(2000));
  REQUIRE(device->bring_up());
  const Fd control(::socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  device->name().copy(request.ifr_name, IFNAMSIZ - 1);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  for (const auto& [call, bits] : {std::pair{SIOCSIFADDR, kOwnAddress}, {SIOCSIFNETMASK, ~0xffu}}) {
    address.sin_addr.s_addr = htonl(bits);
    std::memcpy(&request.ifr_addr, &address, sizeof(address));
    REQUIRE(::ioctl(control.get(), static_cast<unsigned long>(call), &request) == 0);
  }
  return std::move(device).value();
}

sockaddr_in endpoint(std::uint32_t bits, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(bits);
  return address;
}

// The next packet from the device that `wanted` accepts; the kernel's own chatter is passed over.
std::optional<Buffer> read_until(const TunDevice& device,
                                 const std::function<bool(const SuperPacket&)>& wanted) {
  for (int i = 0; i < 100; ++i) {
    pollfd ready{.fd = device.fd(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, kPatienceMs) != 1) return {};
    Buffer read(kVirtioHeaderBytes + 65536);
    const ssize_t size = ::read(device.fd(), read.data(), read.size());
    if (size < 0) return {};
    read.resize(static_cast<std::size_t>(size));
    const auto super = SuperPacket::parse(read);
    REQUIRE(super);
    if (wanted(*super)) return read;
  }
  return {};
}

// Writes what the coalescer makes of `rooms` and counts the writes.
int write_all(const TunDevice& device, std::vector<Buffer>& rooms, Checksum checksum) {
  int count = 0;
  const auto write = [&](std::span<const Bytes> parts) {
    std::vector<iovec> vectors;
    std::size_t size = 0;
    for (const Bytes part : parts) {
      vectors.push_back({const_cast<std::byte*>(part.data()), part.size()});
      size += part.size();
    }
    CHECK(::writev(device.fd(), vectors.data(), static_cast<int>(vectors.size())) ==
          static_cast<ssize_t>(size));
    ++count;
  };
  Coalescer coalescer(device.udp_offload());
  for (Buffer& room : rooms) CHECK(coalescer.push(room, checksum, write));
  coalescer.flush(write);
  return count;
}

Buffer room_of(const Buffer& packet) {
  Buffer room(kVirtioHeaderBytes + packet.size());
  std::copy(packet.begin(), packet.end(), room.begin() + kVirtioHeaderBytes);
  return room;
}

// An ICMP echo request from the peer.
Buffer echo_request() {
  Buffer packet = make_packet({.protocol = kProtocolIcmp, .payload_bytes = 48}, Checksum::Full);
  const MutableBytes icmp = MutableBytes(packet).subspan(20);
  ByteWriter writer(icmp);
  writer.u8(8);
  writer.u8(0);
  writer.u16_be(0);
  ByteWriter(icmp.subspan(2)).u16_be(static_cast<std::uint16_t>(~slow_sum(icmp)));
  return packet;
}

std::uint32_t u32_at(Bytes bytes, std::size_t at) { return ByteReader(bytes.subspan(at)).u32_be(); }

// A TCP connection of a real socket to a peer that the test plays through the device.
struct Connection {
  Fd socket;
  std::uint16_t own_port = 0;
  std::uint32_t own_sequence = 0;  // of the socket's first byte
  PacketPlan peer;                 // the peer's next packet

  // The peer's next packet as it arrives: from port 443 to own_port.
  Buffer from_peer() const {
    Buffer packet = make_packet(peer, Checksum::Partial);
    ByteWriter(MutableBytes(packet).subspan(22)).u16_be(own_port);
    return room_of(packet);
  }
};

// Takes the kernel's SYN from the device and answers it.
Connection connect_through(const TunDevice& device) {
  Connection tcp{.socket = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0))};
  const sockaddr_in to = endpoint(kPeerAddress, 443);
  (void)::connect(tcp.socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  const auto syn =
      read_until(device, [](const SuperPacket& super) { return super.inner().is_tcp(); });
  REQUIRE(syn);
  const auto view = *SuperPacket::parse(*syn);
  CHECK(view.inner().tcp_flags == kTcpSyn);
  CHECK(view.inner().destination_port == 443);
  CHECK(view.checksum() == Checksum::Partial);
  tcp.own_port = view.inner().source_port;
  tcp.own_sequence = u32_at(view.packet(), 24) + 1;
  tcp.peer = {.payload_bytes = 0,
              .tcp_flags = kTcpSyn | kTcpAck,
              .source_port = 443,
              .window = 65535,
              .sequence = 1000,
              .acknowledgement = tcp.own_sequence};
  std::vector<Buffer> rooms{tcp.from_peer()};
  CHECK(write_all(device, rooms, Checksum::Partial) == 1);
  tcp.peer.sequence = 1001;
  tcp.peer.tcp_flags = kTcpAck;
  pollfd connected{.fd = tcp.socket.get(), .events = POLLOUT, .revents = 0};
  REQUIRE(::poll(&connected, 1, kPatienceMs) == 1);
  REQUIRE((connected.revents & POLLERR) == 0);
  return tcp;
}

}  // namespace

TEST_SUITE("device") {
  TEST_CASE("a name that cannot be had is an error with a cure") {
    for (const char* name : {"", "sixteen-letters-"}) {
      const auto device = TunDevice::open(name);
      REQUIRE_FALSE(device);
      CHECK(device.error().message.find("1 to 15") != std::string::npos);
    }
    if (auto device = device_in_namespace()) {
      const auto taken = TunDevice::open("lo");
      REQUIRE_FALSE(taken);
      CHECK(taken.error().message.find("device lo:") != std::string::npos);
      CHECK(taken.error().message.find("choose another") != std::string::npos);
      const auto busy = TunDevice::open(device->name());
      REQUIRE_FALSE(busy);
      CHECK(busy.error().message.find("another process") != std::string::npos);
      CHECK(device->set_mtu(67).error().message.find("68 to 65535") != std::string::npos);
      CHECK_FALSE(device->set_mtu(65536));
      CHECK(device->set_mtu(65535));
    }
  }

  TEST_CASE("without the right to make a device the error says which right is missing") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
      const auto device = TunDevice::open("wbtest%d");
      const bool named =
          !device && (device.error().message.find("CAP_NET_ADMIN") != std::string::npos ||
                      device.error().message.find("modprobe") != std::string::npos);
      ::_exit(named ? 0 : 1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }

  TEST_CASE("the kernel answers an echo request that is written to the device") {
    auto device = device_in_namespace();
    if (!device) return;
    CHECK(device->name().starts_with("wbtest"));
    std::vector<Buffer> rooms{room_of(echo_request())};
    CHECK(write_all(*device, rooms, Checksum::Full) == 1);
    const auto reply = read_until(
        *device, [](const SuperPacket& super) { return super.inner().protocol == kProtocolIcmp; });
    REQUIRE(reply);
    const Bytes packet = Bytes(*reply).subspan(kVirtioHeaderBytes);
    CHECK(packet[20] == std::byte{0});
    CHECK(u32_at(packet, 16) == kPeerAddress);
    CHECK(slow_sum(packet.subspan(20)) == 0xffff);
  }

  TEST_CASE("a TCP flow into the device comes as super packets") {
    auto device = device_in_namespace();
    if (!device) return;
    const Connection tcp = connect_through(*device);
    std::vector<std::uint8_t> sent(3000);
    for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i * 7);
    REQUIRE(::send(tcp.socket.get(), sent.data(), sent.size(), 0) == 3000);
    const auto bulk = read_until(*device, [](const SuperPacket& super) {
      return super.inner().is_tcp() && super.inner().payload_bytes() > 0;
    });
    REQUIRE(bulk);
    const auto super = *SuperPacket::parse(*bulk);
    CHECK(super.segment_count() > 1);
    CHECK(super.segment_bytes_max() <= kMtu);
    std::size_t offset = 0;
    for (std::uint32_t i = 0; i < super.segment_count(); ++i) {
      Buffer segment(super.segment_bytes(i));
      super.write_segment(i, Checksum::Full, segment);
      CHECK(checksums_hold(segment));
      CHECK(u32_at(segment, 24) == tcp.own_sequence + offset);
      const std::size_t headers = parse_inner(segment)->header_bytes();
      const std::size_t size = segment.size() - headers;
      REQUIRE(offset + size <= sent.size());
      CHECK(std::memcmp(segment.data() + headers, sent.data() + offset, size) == 0);
      offset += size;
    }
  }

  TEST_CASE("TCP segments written as one super packet reach their socket") {
    auto device = device_in_namespace();
    if (!device) return;
    Connection tcp = connect_through(*device);
    tcp.peer.payload_bytes = 500;
    std::vector<Buffer> rooms;
    for (unsigned i = 0; i < 12; ++i) {
      rooms.push_back(tcp.from_peer());
      tcp.peer.sequence += 500;
      tcp.peer.payload_start = static_cast<std::uint8_t>(tcp.peer.payload_start + 500);
      ++tcp.peer.id;
    }
    CHECK(write_all(*device, rooms, Checksum::Partial) == 1);
    std::vector<std::uint8_t> got(7000);
    pollfd readable{.fd = tcp.socket.get(), .events = POLLIN, .revents = 0};
    REQUIRE(::poll(&readable, 1, kPatienceMs) == 1);
    REQUIRE(::recv(tcp.socket.get(), got.data(), got.size(), 0) == 6000);
    for (std::size_t i = 0; i < 6000; ++i) REQUIRE(got[i] == static_cast<std::uint8_t>(i));
  }

  TEST_CASE("UDP packets written as one super packet arrive as the datagrams they were") {
    auto device = device_in_namespace();
    if (!device) return;
    const Fd socket(::socket(AF_INET, SOCK_DGRAM, 0));
    const sockaddr_in own = endpoint(kOwnAddress, 443);
    REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0);
    std::vector<Buffer> rooms;
    for (std::uint16_t i = 0; i < 5; ++i) {
      rooms.push_back(room_of(make_packet({.protocol = kProtocolUdp,
                                           .payload_bytes = i == 4 ? 30u : 200u,
                                           .payload_start = static_cast<std::uint8_t>(i),
                                           .id = i},
                                          Checksum::Partial)));
    }
    const int writes = write_all(*device, rooms, Checksum::Partial);
    CHECK(writes == (device->udp_offload() == UdpOffload::On ? 1 : 5));
    for (std::size_t i = 0; i < 5; ++i) {
      pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
      REQUIRE(::poll(&readable, 1, kPatienceMs) == 1);
      std::array<std::uint8_t, 300> got;
      REQUIRE(::recv(socket.get(), got.data(), got.size(), 0) == (i == 4 ? 30 : 200));
      CHECK(got[0] == i);
      CHECK(got[29] == i + 29);
    }
  }
}
