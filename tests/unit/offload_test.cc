#include "tun/offload.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

#include "inner_packets.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

std::size_t ip_bytes(unsigned version) { return version == 4 ? 20 : 40; }

std::uint8_t gso_type(const PacketPlan& plan) {
  if (plan.protocol == kProtocolUdp) return kVirtioGsoUdp;
  return plan.version == 4 ? kVirtioGsoTcp4 : kVirtioGsoTcp6;
}

// What the TUN device hands us: virtio header and a packet whose checksum is partial.
Buffer super_packet(const PacketPlan& plan, std::uint16_t segment_bytes) {
  const Buffer packet = make_packet(plan, Checksum::Partial);
  const bool tcp = plan.protocol == kProtocolTcp;
  const std::size_t headers = ip_bytes(plan.version) + (tcp ? 20u + plan.tcp_options : 8u);
  VirtioHeader header{.flags = kVirtioNeedsChecksum,
                      .gso_type = gso_type(plan),
                      .header_bytes = static_cast<std::uint16_t>(headers),
                      .segment_bytes = segment_bytes,
                      .csum_start = static_cast<std::uint16_t>(ip_bytes(plan.version)),
                      .csum_offset = static_cast<std::uint16_t>(tcp ? 16 : 6)};
  if (tcp && (plan.tcp_flags & kTcpCwr) != 0) header.gso_type |= kVirtioGsoEcn;
  Buffer read(kVirtioHeaderBytes + packet.size());
  header.write(MutableBytes(read).first<kVirtioHeaderBytes>());
  std::copy(packet.begin(), packet.end(), read.begin() + kVirtioHeaderBytes);
  return read;
}

// The segments as a receiver gets them: scratch for the virtio header in front of each.
std::vector<Buffer> split(const SuperPacket& super, Checksum wanted) {
  std::vector<Buffer> rooms;
  for (std::uint32_t i = 0; i < super.segment_count(); ++i) {
    Buffer room(kVirtioHeaderBytes + super.segment_bytes(i), std::byte{0xee});
    const std::size_t size =
        super.write_segment(i, wanted, MutableBytes(room).subspan(kVirtioHeaderBytes));
    CHECK(size == super.segment_bytes(i));
    CHECK(size <= super.segment_bytes_max());
    rooms.push_back(std::move(room));
  }
  return rooms;
}

Bytes packet_in(const Buffer& room) { return Bytes(room).subspan(kVirtioHeaderBytes); }

Buffer room_of(const PacketPlan& plan, Checksum checksum = Checksum::Partial) {
  Buffer room = make_packet(plan, checksum);
  room.insert(room.begin(), kVirtioHeaderBytes, std::byte{0xee});
  return room;
}

// Gathers the writes of a coalescer.
struct Writes {
  std::vector<Buffer> all;
  std::size_t parts_max = 0;
  auto sink() {
    return [this](std::span<const Bytes> parts) {
      parts_max = std::max(parts_max, parts.size());
      Buffer whole;
      for (const Bytes part : parts) whole.insert(whole.end(), part.begin(), part.end());
      all.push_back(std::move(whole));
    };
  }
};

std::vector<Buffer> coalesce(std::vector<Buffer>& rooms, Checksum checksum,
                             UdpOffload udp = UdpOffload::On) {
  Coalescer coalescer(udp);
  Writes writes;
  for (Buffer& room : rooms) CHECK(coalescer.push(room, checksum, writes.sink()));
  coalescer.flush(writes.sink());
  return writes.all;
}

std::vector<Buffer> coalesce_plans(const std::vector<PacketPlan>& plans) {
  std::vector<Buffer> rooms;
  for (const PacketPlan& plan : plans) rooms.push_back(room_of(plan));
  return coalesce(rooms, Checksum::Partial);
}

VirtioHeader header_of(const Buffer& write) { return *VirtioHeader::parse(write); }

void put16(Buffer& bytes, std::size_t at, std::size_t value) {
  ByteWriter(MutableBytes(bytes).subspan(at)).u16_be(static_cast<std::uint16_t>(value));
}

}  // namespace

TEST_SUITE("offload") {
  TEST_CASE("segments are self-contained packets, and coalesced they are the super packet again") {
    constexpr std::uint16_t kSegment = 100;
    for (const unsigned version : {4u, 6u}) {
      for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
        for (const std::uint8_t options : std::array<std::uint8_t, 3>{0, 12, 40}) {
          for (std::size_t payload = kSegment + 1; payload <= 5 * kSegment + 1; ++payload) {
            CAPTURE(version);
            CAPTURE(payload);
            const PacketPlan plan{.version = version,
                                  .protocol = protocol,
                                  .payload_bytes = payload,
                                  .tcp_flags = kTcpAck | kTcpPsh | kTcpFin | kTcpCwr | kTcpEce,
                                  .tcp_options = options,
                                  .id = 0xfffe};
            const Buffer read = super_packet(plan, kSegment);
            const auto super = SuperPacket::parse(read);
            REQUIRE(super);
            CHECK(super->segment_count() == (payload + kSegment - 1) / kSegment);
            CHECK(super->checksum() == Checksum::Partial);
            for (const Checksum wanted : {Checksum::Full, Checksum::Partial}) {
              std::vector<Buffer> rooms = split(*super, wanted);
              for (const Buffer& room : rooms) {
                const bool full = wanted == Checksum::Full;
                CHECK(checksums_hold(packet_in(room)) == full);
              }
              const std::vector<Buffer> writes = coalesce(rooms, wanted);
              REQUIRE(writes.size() == 1);
              CHECK(writes[0] == read);
            }
          }
        }
      }
    }
  }

  TEST_CASE("each segment is the packet that a host without offload would have sent") {
    for (const unsigned version : {4u, 6u}) {
      const PacketPlan plan{.version = version,
                            .payload_bytes = 250,
                            .tcp_flags = kTcpAck | kTcpPsh | kTcpFin | kTcpCwr,
                            .tcp_options = 12};
      const Buffer read = super_packet(plan, 100);
      for (const Checksum checksum : {Checksum::Full, Checksum::Partial}) {
        const std::vector<Buffer> rooms = split(*SuperPacket::parse(read), checksum);
        REQUIRE(rooms.size() == 3);
        for (std::uint16_t i = 0; i < 3; ++i) {
          PacketPlan expected = plan;
          expected.payload_bytes = i == 2 ? 50 : 100;
          expected.payload_start = static_cast<std::uint8_t>(100 * i);
          expected.id = static_cast<std::uint16_t>(plan.id + i);
          expected.sequence = plan.sequence + 100u * i;
          expected.tcp_flags = kTcpAck;
          if (i == 0) expected.tcp_flags |= kTcpCwr;
          if (i == 2) expected.tcp_flags |= kTcpPsh | kTcpFin;
          const Bytes packet = packet_in(rooms[i]);
          CHECK(Buffer(packet.begin(), packet.end()) == make_packet(expected, checksum));
        }
      }
    }
  }

  TEST_CASE("UDP segments count their length and id and never say checksum zero") {
    const PacketPlan plan{.protocol = kProtocolUdp, .payload_bytes = 201};
    const Buffer read = super_packet(plan, 100);
    const std::vector<Buffer> rooms = split(*SuperPacket::parse(read), Checksum::Full);
    REQUIRE(rooms.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(be16(packet_in(rooms[i]), 24) == (i == 2 ? 9 : 108));
      CHECK(be16(packet_in(rooms[i]), 4) == 0x1234 + i);
    }
    // One payload word such that the sum of the rest is 0xffff, so that its complement is 0.
    Buffer zero = super_packet({.protocol = kProtocolUdp, .payload_bytes = 2}, 2);
    put16(zero, kVirtioHeaderBytes + 28, 0);
    const Bytes udp = Bytes(zero).subspan(kVirtioHeaderBytes + 20);
    put16(zero, kVirtioHeaderBytes + 28, 0xffff - slow_sum(udp));
    const std::vector<Buffer> one = split(*SuperPacket::parse(zero), Checksum::Full);
    CHECK(be16(packet_in(one[0]), 26) == 0xffff);
    CHECK(checksums_hold(packet_in(one[0])));
  }

  TEST_CASE("a lone packet is its own segment, with the checksum state it came with") {
    const PacketPlan plan{};
    Buffer partial = super_packet(plan, 0);
    partial[1] = std::byte{kVirtioGsoNone};
    partial.resize(partial.size() + 5);  // behind the IP length
    const auto super = SuperPacket::parse(partial);
    REQUIRE(super);
    CHECK(super->segment_count() == 1);
    CHECK(super->checksum() == Checksum::Partial);
    CHECK(super->segment_bytes(0) == partial.size() - kVirtioHeaderBytes - 5);
    CHECK(split(*super, Checksum::Full)[0] == room_of(plan, Checksum::Full));
    CHECK(split(*super, Checksum::Partial)[0] == room_of(plan, Checksum::Partial));

    Buffer full = room_of(plan, Checksum::Full);
    std::fill_n(full.begin(), kVirtioHeaderBytes, std::byte{0});
    const auto complete = SuperPacket::parse(full);
    REQUIRE(complete);
    CHECK(complete->checksum() == Checksum::Full);
    CHECK(split(*complete, Checksum::Partial)[0] == room_of(plan, Checksum::Full));
  }

  TEST_CASE("a partial checksum at an unusual place is always completed") {
    // A tunnel inside: the checksum of a TCP segment in a UDP payload is left to the device.
    const Buffer deep = make_packet({.payload_bytes = 40}, Checksum::Partial);
    Buffer read = super_packet({.protocol = kProtocolUdp, .payload_bytes = deep.size()}, 0);
    std::copy(deep.begin(), deep.end(), read.end() - static_cast<std::ptrdiff_t>(deep.size()));
    VirtioHeader header = header_of(read);
    header.gso_type = kVirtioGsoNone;
    header.csum_start = 20 + 8 + 20;
    header.csum_offset = 16;
    header.write(MutableBytes(read).first<kVirtioHeaderBytes>());
    const auto super = SuperPacket::parse(read);
    REQUIRE(super);
    CHECK(super->checksum() == Checksum::Full);
    const std::vector<Buffer> rooms = split(*super, Checksum::Partial);
    CHECK(checksums_hold(packet_in(rooms[0]).subspan(28)));
  }

  TEST_CASE("virtio headers that do not fit their packet are refused") {
    using Change = void (*)(VirtioHeader&);
    struct Row {
      const char* what;
      Change change;
    };
    const std::vector<Row> rows{
        {"segment size 0", [](VirtioHeader& h) { h.segment_bytes = 0; }},
        {"type UFO", [](VirtioHeader& h) { h.gso_type = 3; }},
        {"type unknown", [](VirtioHeader& h) { h.gso_type = 9; }},
        {"type ECN alone", [](VirtioHeader& h) { h.gso_type = kVirtioGsoEcn; }},
        {"TCP of the other family", [](VirtioHeader& h) { h.gso_type = kVirtioGsoTcp6; }},
        {"UDP for TCP", [](VirtioHeader& h) { h.gso_type = kVirtioGsoUdp; }},
        {"no partial checksum", [](VirtioHeader& h) { h.flags = 0; }},
        {"checksum start beyond", [](VirtioHeader& h) { h.csum_start = 0xffff; }},
        {"checksum offset beyond", [](VirtioHeader& h) { h.csum_offset = 0xffff; }},
        {"checksum start elsewhere", [](VirtioHeader& h) { h.csum_start = 24; }},
        {"checksum offset elsewhere", [](VirtioHeader& h) { h.csum_offset = 6; }},
        {"headers beyond", [](VirtioHeader& h) { h.header_bytes = 341; }},
    };
    const Buffer good = super_packet({.payload_bytes = 300}, 100);
    REQUIRE(SuperPacket::parse(good));
    for (const Row& row : rows) {
      CAPTURE(row.what);
      Buffer bad = good;
      VirtioHeader header = header_of(bad);
      row.change(header);
      header.write(MutableBytes(bad).first<kVirtioHeaderBytes>());
      CHECK_FALSE(SuperPacket::parse(bad));
    }
    Buffer udp = super_packet({.protocol = kProtocolUdp, .payload_bytes = 300}, 100);
    udp[1] |= std::byte{kVirtioGsoEcn};
    CHECK_FALSE(SuperPacket::parse(udp));
    for (std::size_t size = 0; size < good.size(); ++size)
      CHECK_FALSE(SuperPacket::parse(Bytes(good).first(size)));
    const Buffer fragment = super_packet({.payload_bytes = 300, .fragment = 0x2000}, 100);
    CHECK_FALSE(SuperPacket::parse(fragment));
    Buffer lone = super_packet({}, 0);
    for (const std::uint16_t start : std::array<std::uint16_t, 2>{19, 20}) {
      VirtioHeader{.flags = kVirtioNeedsChecksum, .csum_start = start}.write(
          MutableBytes(lone).first<kVirtioHeaderBytes>());
      CHECK(SuperPacket::parse(lone).has_value() == (start == 20));
    }
    // The checksum field's last byte may be the packet's last byte, not one more.
    Buffer edge = super_packet({.payload_bytes = 0}, 0);
    for (const std::uint16_t start : std::array<std::uint16_t, 2>{38, 39}) {
      VirtioHeader{.flags = kVirtioNeedsChecksum, .csum_start = start}.write(
          MutableBytes(edge).first<kVirtioHeaderBytes>());
      CHECK(SuperPacket::parse(edge).has_value() == (start == 38));
    }
  }

  TEST_CASE("the virtio header stands in host order") {
    const VirtioHeader header{.flags = 1,
                              .gso_type = 4,
                              .header_bytes = 0x0102,
                              .segment_bytes = 0x0304,
                              .csum_start = 0x0506,
                              .csum_offset = 0x0708};
    std::array<std::byte, kVirtioHeaderBytes> raw;
    header.write(raw);
    std::uint16_t field;
    std::memcpy(&field, raw.data() + 2, 2);
    CHECK(field == 0x0102);
    const auto again = VirtioHeader::parse(raw);
    CHECK(again->segment_bytes == 0x0304);
    CHECK(again->csum_offset == 0x0708);
    CHECK_FALSE(VirtioHeader::parse(Bytes(raw).first(9)));
  }

  TEST_CASE("packets of one TCP flow that differ in more than the rule allows stay apart") {
    const PacketPlan first{.tcp_flags = kTcpAck, .tcp_options = 12, .traffic_class = 2};
    PacketPlan next = first;
    next.sequence += 100;
    next.id++;
    REQUIRE(coalesce_plans({first, next}).size() == 1);
    using Change = void (*)(PacketPlan&);
    struct Row {
      const char* what;
      Change change;
    };
    const std::vector<Row> rows{
        {"gap", [](PacketPlan& p) { p.sequence++; }},
        {"repeat", [](PacketPlan& p) { p.sequence -= 100; }},
        {"acknowledgement", [](PacketPlan& p) { p.acknowledgement++; }},
        {"window", [](PacketPlan& p) { p.window++; }},
        {"options length", [](PacketPlan& p) { p.tcp_options = 8; }},
        {"SYN", [](PacketPlan& p) { p.tcp_flags |= kTcpSyn; }},
        {"RST", [](PacketPlan& p) { p.tcp_flags |= kTcpRst; }},
        {"URG", [](PacketPlan& p) { p.tcp_flags |= kTcpUrg; }},
        {"ECE", [](PacketPlan& p) { p.tcp_flags |= kTcpEce; }},
        {"CWR on a later one", [](PacketPlan& p) { p.tcp_flags |= kTcpCwr; }},
        {"no ACK", [](PacketPlan& p) { p.tcp_flags = 0; }},
        {"ECN", [](PacketPlan& p) { p.traffic_class = 3; }},
        {"DSCP", [](PacketPlan& p) { p.traffic_class = 0xba; }},
        {"hop limit", [](PacketPlan& p) { p.hop_limit--; }},
        {"id", [](PacketPlan& p) { p.id++; }},
        {"DF", [](PacketPlan& p) { p.fragment = 0; }},
        {"fragment", [](PacketPlan& p) { p.fragment = 0x2000; }},
        {"longer", [](PacketPlan& p) { p.payload_bytes = 101; }},
        {"empty", [](PacketPlan& p) { p.payload_bytes = 0; }},
        {"other port", [](PacketPlan& p) { p.source_port++; }},
        {"other family", [](PacketPlan& p) { p.version = 6; }},
        {"other protocol", [](PacketPlan& p) { p.protocol = kProtocolUdp; }},
    };
    for (const Row& row : rows) {
      CAPTURE(row.what);
      PacketPlan other = next;
      row.change(other);
      std::vector<Buffer> rooms{room_of(first, Checksum::Full), room_of(other, Checksum::Full)};
      const std::vector<Buffer> before = rooms;
      const std::vector<Buffer> writes = coalesce(rooms, Checksum::Full);
      REQUIRE(writes.size() == 2);
      for (std::size_t i = 0; i < 2; ++i) {
        CHECK(header_of(writes[i]).gso_type == kVirtioGsoNone);
        CHECK(std::equal(writes[i].begin() + kVirtioHeaderBytes, writes[i].end(),
                         before[i].begin() + kVirtioHeaderBytes, before[i].end()));
      }
    }
    Buffer options = room_of(next);
    options[kVirtioHeaderBytes + 45] = std::byte{0};
    std::vector<Buffer> rooms{room_of(first), options};
    CHECK(coalesce(rooms, Checksum::Partial).size() == 2);
  }

  TEST_CASE("RFC 6864 4.1: the id may stand still only under DF") {
    for (const bool df : {true, false}) {
      PacketPlan first{};
      first.fragment = df ? 0x4000 : 0;
      PacketPlan next = first;
      next.sequence += 100;
      CHECK(coalesce_plans({first, next}).size() == (df ? 1 : 2));
    }
  }

  TEST_CASE("a short, PSH or FIN segment closes a super packet, and PSH at first stays alone") {
    PacketPlan a{}, b{}, c{};
    b.sequence += 100, b.id++;
    c.sequence += 200, c.id += 2;
    CHECK(coalesce_plans({a, b, c}).size() == 1);
    PacketPlan ending = b;
    for (const std::uint8_t flag : {kTcpPsh, kTcpFin}) {
      ending.tcp_flags = kTcpAck | flag;
      const auto writes = coalesce_plans({a, ending, c});
      REQUIRE(writes.size() == 2);
      CHECK(parse_inner(packet_in(writes[0]))->tcp_flags == (kTcpAck | flag));
    }
    PacketPlan shorter = b, after = c;
    shorter.payload_bytes = 99;
    after.sequence--;
    CHECK(coalesce_plans({a, shorter, after}).size() == 2);
    a.tcp_flags |= kTcpPsh;
    CHECK(coalesce_plans({a, b}).size() == 2);
  }

  TEST_CASE("a super packet keeps to 65535 bytes and to the bound on parts") {
    for (const std::size_t payload : {100u, 1400u, 8000u}) {
      std::vector<PacketPlan> plans(200);
      for (std::size_t i = 0; i < plans.size(); ++i) {
        plans[i].payload_bytes = payload;
        plans[i].sequence += static_cast<std::uint32_t>(i * payload);
        plans[i].id = static_cast<std::uint16_t>(i);
      }
      std::size_t total = 0;
      for (const Buffer& write : coalesce_plans(plans)) {
        CHECK(write.size() <= 65535 + kVirtioHeaderBytes);
        const auto super = SuperPacket::parse(write);
        REQUIRE(super);
        CHECK(super->segment_count() <= Coalescer::kPartsMax);
        total += super->inner().payload_bytes();
      }
      CHECK(total == 200 * payload);
    }
  }

  TEST_CASE("UDP is merged only with USO and never without a checksum") {
    const PacketPlan first{.protocol = kProtocolUdp};
    PacketPlan next = first;
    next.id++;
    for (const UdpOffload udp : {UdpOffload::On, UdpOffload::Off}) {
      std::vector<Buffer> rooms{room_of(first, Checksum::Full), room_of(next, Checksum::Full)};
      CHECK(coalesce(rooms, Checksum::Full, udp).size() == (udp == UdpOffload::On ? 1 : 2));
    }
    std::vector<Buffer> rooms{room_of(first, Checksum::Full), room_of(next, Checksum::Full)};
    for (Buffer& room : rooms) put16(room, kVirtioHeaderBytes + 26, 0);
    const auto writes = coalesce(rooms, Checksum::Full);
    REQUIRE(writes.size() == 2);
    CHECK(be16(packet_in(writes[1]), 26) == 0);
  }

  TEST_CASE("a UDP length that differs from IP's is passed on whole or refused") {
    Buffer room = room_of({.protocol = kProtocolUdp}, Checksum::Full);
    put16(room, kVirtioHeaderBytes + 24, 50);
    const Buffer before = room;
    Coalescer coalescer(UdpOffload::On);
    Writes writes;
    CHECK_FALSE(coalescer.push(room, Checksum::Partial, writes.sink()));
    CHECK(coalescer.push(room, Checksum::Full, writes.sink()));
    REQUIRE(writes.all.size() == 1);
    CHECK(std::equal(writes.all[0].begin() + 10, writes.all[0].end(), before.begin() + 10));
  }

  TEST_CASE("a lone packet gets its pseudo header's sum back, whatever the field held") {
    for (const unsigned version : {4u, 6u}) {
      const PacketPlan plan{.version = version, .tcp_flags = kTcpSyn};
      Buffer room = room_of(plan);
      put16(room, kVirtioHeaderBytes + ip_bytes(version) + 16, 0xbad);
      std::vector<Buffer> rooms{room};
      const auto writes = coalesce(rooms, Checksum::Partial);
      REQUIRE(writes.size() == 1);
      const auto super = SuperPacket::parse(writes[0]);
      REQUIRE(super);
      CHECK(super->checksum() == Checksum::Partial);
      CHECK(checksums_hold(packet_in(split(*super, Checksum::Full)[0])));
    }
  }

  TEST_CASE("what cannot have a partial checksum is refused when it claims one") {
    Coalescer coalescer(UdpOffload::On);
    Writes writes;
    Buffer icmp = room_of({.protocol = kProtocolIcmp}, Checksum::Full);
    Buffer fragment = room_of({.fragment = 0x2000}, Checksum::Full);
    Buffer later = room_of({.fragment = 0x0004}, Checksum::Full);
    for (Buffer* room : {&icmp, &fragment, &later}) {
      CHECK_FALSE(coalescer.push(*room, Checksum::Partial, writes.sink()));
      CHECK(coalescer.push(*room, Checksum::Full, writes.sink()));
    }
    CHECK(writes.all.size() == 3);
    Buffer none(kVirtioHeaderBytes);
    CHECK_FALSE(coalescer.push(none, Checksum::Full, writes.sink()));
    CHECK_FALSE(coalescer.push({}, Checksum::Full, writes.sink()));
    Buffer noise(200, std::byte{0x33});
    CHECK_FALSE(coalescer.push(noise, Checksum::Full, writes.sink()));
  }

  TEST_CASE("a fragment does not overtake the open packets between its addresses") {
    Buffer open = room_of({});
    Buffer elsewhere = room_of({.version = 6});
    Buffer fragment = room_of({.fragment = 0x0004}, Checksum::Full);
    Coalescer coalescer(UdpOffload::On);
    Writes writes;
    CHECK(coalescer.push(open, Checksum::Partial, writes.sink()));
    CHECK(coalescer.push(elsewhere, Checksum::Partial, writes.sink()));
    CHECK(writes.all.empty());
    CHECK(coalescer.push(fragment, Checksum::Full, writes.sink()));
    REQUIRE(writes.all.size() == 2);
    CHECK(parse_inner(packet_in(writes.all[0]))->is_tcp());
    CHECK(parse_inner(packet_in(writes.all[1]))->is_fragment());
    coalescer.flush(writes.sink());
    CHECK(writes.all.size() == 3);
    coalescer.flush(writes.sink());
    CHECK(writes.all.size() == 3);
  }

  TEST_CASE("eight interleaved flows are merged, the ninth closes the one used longest ago") {
    constexpr std::uint16_t kRounds = 5;
    for (const std::uint16_t flows : std::array<std::uint16_t, 2>{8, 9}) {
      std::vector<PacketPlan> plans;
      for (std::uint16_t round = 0; round < kRounds; ++round) {
        for (std::uint16_t flow = 0; flow < flows; ++flow) {
          PacketPlan plan{};
          plan.source_port = static_cast<std::uint16_t>(1000 + flow);
          plan.sequence += 100u * round;
          plan.id = static_cast<std::uint16_t>(plan.id + round);
          plans.push_back(plan);
        }
      }
      const auto writes = coalesce_plans(plans);
      CHECK(writes.size() == (flows == 8 ? 8 : 9 * kRounds));
      if (flows == 9) CHECK(parse_inner(packet_in(writes[0]))->source_port == 1000);
    }
  }
}
