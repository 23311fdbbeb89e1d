// Random traffic and random bytes through split and coalesce. Every run takes fixed seeds and a
// fresh one, which a failure names; WANBOND_SEED=n repeats that one.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <tuple>

#include "inner_packets.h"
#include "tun/offload.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

constexpr std::size_t kPackets = 600;  // of one run

std::vector<unsigned> seeds() {
  if (const char* chosen = std::getenv("WANBOND_SEED")) {
    return {static_cast<unsigned>(std::strtoul(chosen, nullptr, 10))};
  }
  std::vector<unsigned> all;
  for (unsigned seed = 1; seed <= 40; ++seed) all.push_back(seed);
  all.push_back(std::random_device{}());
  return all;
}

using FlowKey = std::tuple<unsigned, unsigned, unsigned>;  // version, protocol, source port

FlowKey key_of(Bytes packet) {
  const auto inner = parse_inner(packet);
  REQUIRE(inner);
  return {inner->version, inner->protocol, inner->source_port};
}

// The inner packets that a kernel makes of one write, with finished checksums.
void unfold(Bytes write, std::map<FlowKey, std::vector<Buffer>>& flows) {
  const auto super = SuperPacket::parse(write);
  REQUIRE(super);
  for (std::uint32_t i = 0; i < super->segment_count(); ++i) {
    Buffer segment(super->segment_bytes(i));
    super->write_segment(i, Checksum::Full, segment);
    flows[key_of(segment)].push_back(std::move(segment));
  }
}

// Hosts that send on a few flows, as the far gateway's kernel would hand their packets over.
class RandomHosts {
 public:
  explicit RandomHosts(unsigned seed) : random_(seed), flows_(1 + below(12)) {
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      PacketPlan& plan = flows_[i];
      plan.version = below(2) == 0 ? 4 : 6;
      plan.protocol = below(3) == 0 ? kProtocolUdp : kProtocolTcp;
      plan.source_port = static_cast<std::uint16_t>(1000 + i);
      plan.tcp_options = static_cast<std::uint8_t>(4 * below(11));
      plan.sequence = static_cast<std::uint32_t>(random_());
      plan.fragment = below(2) == 0 ? 0x4000 : 0;
      plan.traffic_class = static_cast<std::uint8_t>(below(256));
    }
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }

  /// The next packet of some flow, at most once in a while one that breaks the rhythm.
  Buffer next() {
    PacketPlan& plan = flows_[below(flows_.size())];
    if (below(12) == 0) segment_ = 1 + below(1400);
    plan.payload_bytes = below(8) == 0 ? below(segment_ + 1) : segment_;
    plan.payload_start = static_cast<std::uint8_t>(random_());
    plan.tcp_flags = kTcpAck;
    if (below(15) == 0) plan.tcp_flags = static_cast<std::uint8_t>(random_());
    if (below(15) == 0) plan.acknowledgement += 1000;
    if (below(40) == 0) plan.window++;
    if (below(40) == 0) plan.sequence -= static_cast<std::uint32_t>(below(3000));
    const Buffer packet = make_packet(plan, Checksum::Full);
    plan.sequence += static_cast<std::uint32_t>(plan.payload_bytes);
    plan.id++;
    return packet;
  }

 private:
  std::mt19937 random_;
  std::vector<PacketPlan> flows_;
  std::size_t segment_ = 1000;
};

// The same packet with its checksum left to the receiver.
Buffer as_partial(Bytes packet, const InnerPacket& inner) {
  Buffer read(kVirtioHeaderBytes + packet.size());
  std::copy(packet.begin(), packet.end(), read.begin() + kVirtioHeaderBytes);
  const std::size_t field = inner.l4_offset + (inner.is_tcp() ? 16u : 6u);
  ByteWriter(MutableBytes(read).subspan(kVirtioHeaderBytes + field))
      .u16_be(static_cast<std::uint16_t>(slow_pseudo(packet)));
  return read;
}

// Returns the count of writes.
std::size_t run_traffic(unsigned seed, UdpOffload udp) {
  RandomHosts hosts(seed);
  Coalescer coalescer(udp);
  std::vector<Buffer> memory;  // must hold still until the writes are done
  std::map<FlowKey, std::vector<Buffer>> sent, arrived;
  std::size_t write_count = 0;
  const auto write = [&](std::span<const Bytes> parts) {
    Buffer whole;
    for (const Bytes part : parts) whole.insert(whole.end(), part.begin(), part.end());
    CHECK(whole.size() <= kVirtioHeaderBytes + 65535);
    CHECK(parts.size() <= Coalescer::kPartsMax);
    unfold(whole, arrived);
    ++write_count;
  };
  memory.reserve(kPackets);
  for (std::size_t i = 0; i < kPackets; ++i) {
    const Buffer packet = hosts.next();
    sent[key_of(packet)].push_back(packet);
    const auto checksum = hosts.below(2) == 0 ? Checksum::Full : Checksum::Partial;
    memory.push_back(as_partial(packet, *parse_inner(packet)));
    if (checksum == Checksum::Full)
      std::copy(packet.begin(), packet.end(), memory.back().begin() + kVirtioHeaderBytes);
    CHECK(coalescer.push(memory.back(), checksum, write));
    if (hosts.below(100) == 0) coalescer.flush(write);
  }
  coalescer.flush(write);
  CHECK(arrived == sent);
  return write_count;
}

// Bytes that nobody sane sends: noise, or a good packet with a few bytes changed or cut.
Buffer nonsense(std::mt19937& random) {
  PacketPlan plan;
  plan.version = random() % 2 == 0 ? 4 : 6;
  plan.protocol = random() % 2 == 0 ? kProtocolTcp : kProtocolUdp;
  plan.tcp_options = static_cast<std::uint8_t>(4 * (random() % 11));
  plan.payload_bytes = random() % 300;
  const Buffer packet = make_packet(plan, Checksum::Partial);
  Buffer read(kVirtioHeaderBytes + packet.size());
  std::copy(packet.begin(), packet.end(), read.begin() + kVirtioHeaderBytes);
  const std::array<std::uint8_t, 4> types{kVirtioGsoNone, kVirtioGsoTcp4, kVirtioGsoTcp6,
                                          kVirtioGsoUdp};
  VirtioHeader{.flags = kVirtioNeedsChecksum,
               .gso_type = types[random() % 4],
               .segment_bytes = static_cast<std::uint16_t>(random() % 200),
               .csum_start = static_cast<std::uint16_t>(plan.version == 4 ? 20 : 40),
               .csum_offset = static_cast<std::uint16_t>(random() % 2 == 0 ? 16 : 6)}
      .write(MutableBytes(read).first<kVirtioHeaderBytes>());
  for (std::size_t i = random() % 6; i > 0; --i)
    read[random() % std::min<std::size_t>(read.size(), 80)] = static_cast<std::byte>(random());
  if (random() % 4 == 0) read.resize(random() % (read.size() + 1));
  if (random() % 10 == 0)
    for (std::byte& byte : read) byte = static_cast<std::byte>(random());
  return read;
}

}  // namespace

TEST_SUITE("offload") {
  TEST_CASE("random flows come out packet by packet unchanged and in order") {
    std::size_t write_count = 0;
    for (const unsigned seed : seeds()) {
      CAPTURE(seed);
      write_count += run_traffic(seed, UdpOffload::On);
      write_count += run_traffic(seed, UdpOffload::Off);
    }
    CHECK(write_count < seeds().size() * 2 * kPackets);
  }

  TEST_CASE("random super packets are split into segments that all hold together") {
    for (const unsigned seed : seeds()) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      for (int i = 0; i < 3000; ++i) {
        const Buffer read = nonsense(random);
        const auto super = SuperPacket::parse(read);
        if (!super) continue;
        std::size_t payload = 0;
        for (std::uint32_t s = 0; s < super->segment_count(); ++s) {
          Buffer segment(super->segment_bytes(s));
          REQUIRE(segment.size() <= super->segment_bytes_max());
          REQUIRE(super->write_segment(s, Checksum::Full, segment) == segment.size());
          const auto inner = parse_inner(segment);
          REQUIRE(inner);
          REQUIRE(inner->total_bytes == segment.size());
          payload += segment.size() - super->inner().header_bytes();
        }
        CHECK(payload == super->inner().payload_bytes());
      }
    }
  }

  TEST_CASE("random bytes are refused by the coalescer or written at their own length") {
    for (const unsigned seed : seeds()) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      Coalescer coalescer(UdpOffload::On);
      std::vector<Buffer> memory;
      memory.reserve(1000);
      std::size_t accepted = 0, written = 0;
      const auto write = [&](std::span<const Bytes> parts) {
        Buffer whole;
        for (const Bytes part : parts) whole.insert(whole.end(), part.begin(), part.end());
        const auto super = SuperPacket::parse(whole);
        REQUIRE(super);
        CHECK(super->packet().size() + kVirtioHeaderBytes == whole.size());
        written += super->segment_count();
      };
      for (int i = 0; i < 1000; ++i) {
        memory.push_back(nonsense(random));
        const auto checksum = random() % 2 == 0 ? Checksum::Full : Checksum::Partial;
        accepted += coalescer.push(memory.back(), checksum, write) ? 1 : 0;
      }
      coalescer.flush(write);
      CHECK(written == accepted);
    }
  }
}
