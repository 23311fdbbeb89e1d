#include <doctest/doctest.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/fixed.h"
#include "base/packet.h"
#include "base/sequence.h"

using namespace wanbond;

TEST_SUITE("base") {
  TEST_CASE("addresses survive text and keep their family") {
    for (const char* text : {"192.0.2.1", "2001:db8::1", "::", "0.0.0.0", "255.255.255.255"}) {
      const auto address = IpAddress::parse(text);
      REQUIRE(address);
      CHECK(address->to_string() == text);
    }
    CHECK(IpAddress::parse("192.0.2.1")->is_v4());
    CHECK_FALSE(IpAddress::parse("2001:db8::1")->is_v4());
    for (const char* text : {"", "192.0.2", "192.0.2.256", "[::1]", "fe80::1%eth0", "host"})
      CHECK_FALSE(IpAddress::parse(text));
  }

  TEST_CASE("endpoints need a port, and brackets exactly around IPv6") {
    for (const char* text : {"192.0.2.1:51900", "[2001:db8::1]:1"}) {
      const auto endpoint = Endpoint::parse(text);
      REQUIRE(endpoint);
      CHECK(endpoint->to_string() == text);
    }
    for (const char* text : {"192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1]:5",
                             "2001:db8::1:51900", ":51900", "192.0.2.1:", "192.0.2.1:5x"})
      CHECK_FALSE(Endpoint::parse(text));
  }

  TEST_CASE("a prefix clears its host bits and contains only its own family") {
    const auto prefix = Prefix::parse("10.1.2.3/12");
    REQUIRE(prefix);
    CHECK(prefix->to_string() == "10.0.0.0/12");
    CHECK(prefix->contains(*IpAddress::parse("10.15.255.255")));
    CHECK_FALSE(prefix->contains(*IpAddress::parse("10.16.0.0")));
    CHECK_FALSE(Prefix::parse("::/0")->contains(*IpAddress::parse("10.0.0.1")));
    CHECK(Prefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("10.0.0.1")));
    CHECK(Prefix::parse("fd77::2")->length() == 128);
    for (const char* text : {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "/8"})
      CHECK_FALSE(Prefix::parse(text));
  }

  TEST_CASE("a reader past the end stays broken and gives zeros") {
    const std::byte raw[]{std::byte{1}, std::byte{2}, std::byte{3}};
    ByteReader reader(raw);
    CHECK(reader.u16() == 0x0201);
    CHECK(reader.u32() == 0);
    CHECK_FALSE(reader.ok());
    CHECK(reader.u8() == 0);
    CHECK(reader.remaining() == 0);
  }

  TEST_CASE("a writer past the end writes nothing more") {
    std::byte raw[3]{};
    ByteWriter writer(raw);
    writer.u16_be(0x0102);
    writer.u32(7);
    writer.u8(9);
    CHECK_FALSE(writer.ok());
    CHECK(writer.size() == 2);
    CHECK(raw[0] == std::byte{1});
    CHECK(raw[2] == std::byte{0});
  }

  TEST_CASE("wrapping numbers compare by signed distance") {
    CHECK(sequence_distance(0, 0xffffff) == 1);
    CHECK(sequence_distance(0xffffff, 0) == -1);
    CHECK(stamp_distance(5, 65530) == 11);
    CHECK(serial_distance<32>(1, 0xffffffff) == 2);
  }

  TEST_CASE("a packet keeps its content while head and tail move") {
    PacketPool pool(1 << 20);
    Packet packet = pool.acquire(1500);
    REQUIRE(packet.valid());
    CHECK(packet.headroom() == kHeadroomBytes);
    packet.resize(100);
    packet.bytes()[0] = std::byte{42};
    packet.grow_front(16);
    CHECK(packet.bytes()[16] == std::byte{42});
    packet.drop_front(16);
    CHECK(packet.size() == 100);
    CHECK(packet.tailroom() >= kTailroomBytes + 1400);
    CHECK(reinterpret_cast<std::uintptr_t>(packet.bytes().data()) % 64 == 0);
  }

  TEST_CASE("an empty pool answers with an invalid packet and recovers") {
    PacketPool pool(0);
    FixedVector<Packet, 64> held;
    while (true) {
      Packet packet = pool.acquire(kPacketBytesMax);
      if (!packet.valid()) break;
      REQUIRE(held.push(std::move(packet)));
    }
    CHECK(held.size() == 16);
    CHECK(pool.acquire(100).valid());
    held.clear();
    CHECK(pool.used_count() == 0);
    CHECK(pool.acquire(kPacketBytesMax).valid());
  }

  TEST_CASE("segments count the short last one") {
    PacketPool pool(0);
    Segments train{pool.acquire(5000), 1200};
    train.buffer.resize(2500);
    CHECK(train.count() == 3);
  }
}
