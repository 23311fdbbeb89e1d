// The clear header, the first encrypted bytes and wire stamps (proto/wire).
#include "proto/wire.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

using namespace wanbond;

namespace {

std::vector<std::byte> datagram(unsigned type, std::size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) bytes[0] = static_cast<std::byte>(type);
  return bytes;
}

Time at(Duration since_start) { return Time(since_start); }

}  // namespace

TEST_SUITE("wire") {
  TEST_CASE("only possible types and lengths pass") {
    struct Row {
      unsigned type;
      std::size_t size;
      bool passes;
      WireError error;
    };
    const Row rows[] = {
        {0x00, 0, false, WireError::Empty},
        {0x70, 176, false, WireError::UnknownType},
        {0x77, 176, false, WireError::UnknownType},
        {0xff, 60, false, WireError::UnknownType},
        {0x71, 175, false, WireError::Length},
        {0x71, 176, true, {}},
        {0x71, 177, false, WireError::Length},
        {0x72, 115, false, WireError::Length},
        {0x72, 116, true, {}},
        {0x72, 117, false, WireError::Length},
        {0x73, 63, false, WireError::Length},
        {0x73, 64, true, {}},
        {0x73, 65, false, WireError::Length},
        {0x74, 1, false, WireError::Length},
        {0x74, 31, false, WireError::Length},
        {0x74, 32, true, {}},
        {0x74, 9216, true, {}},
        {0x74, 9217, false, WireError::Length},
        {0x75, 27, false, WireError::Length},
        {0x75, 28, true, {}},
        {0x75, 9216, true, {}},
        {0x75, 9217, false, WireError::Length},
        {0x76, 28, false, WireError::Relay},
        {0x76, 100, false, WireError::Relay},
    };
    for (const Row& row : rows) {
      CAPTURE(row.type);
      CAPTURE(row.size);
      WireError error{};
      const auto type = message_type(datagram(row.type, row.size), error);
      CHECK(type.has_value() == row.passes);
      if (type) CHECK(static_cast<unsigned>(*type) == row.type);
      if (!type) CHECK(error == row.error);
    }
  }

  TEST_CASE("a header is the picture's eight bytes, and comes back") {
    std::array<std::byte, kDataOverheadBytes> bytes{};
    ByteWriter out(bytes);
    write_header(out, {MessageType::Data, Cid::make(0x2abcd, PathId{5}), 0x01020304});
    REQUIRE(out.size() == kClearHeaderBytes);
    // cid = 0x2abcd << 6 | 5 = 0xaaf345
    const unsigned expected[] = {0x74, 0x45, 0xf3, 0xaa, 0x04, 0x03, 0x02, 0x01};
    for (std::size_t i = 0; i < kClearHeaderBytes; ++i)
      CHECK(static_cast<unsigned>(bytes[i]) == expected[i]);
    WireError error{};
    const auto header = parse_header(bytes, error);
    REQUIRE(header);
    CHECK(header->type == MessageType::Data);
    CHECK(header->cid.slot() == 0x2abcd);
    CHECK(header->cid.path() == PathId{5});
    CHECK(header->packet_number == 0x01020304);
  }

  TEST_CASE("a handshake message has no header") {
    WireError error{};
    CHECK_FALSE(parse_header(datagram(0x71, kHsInitBytes), error));
    CHECK(error == WireError::Handshake);
    CHECK_FALSE(parse_header(datagram(0x75, kCtrlOverheadBytes - 1), error));
    CHECK(error == WireError::Length);
  }

  TEST_CASE("a connection id is slot and path") {
    const Cid cid = Cid::make(kSlotCountMax - 1, PathId{63});
    CHECK(cid.value == 0xffffff);
    CHECK(cid.base().value == 0xffffc0);
    CHECK(cid.base().path() == PathId{0});
    CHECK(cid.with_path(PathId{1}).value == 0xffffc1);
    CHECK(Cid::make(0, PathId{0}).value == 0);
  }

  TEST_CASE("DATA fields come back, extended or not") {
    for (const unsigned value : {0x00U, 0x01U, 0x08U, 0xb7U, 0xbfU}) {
      const auto flags = static_cast<std::uint8_t>(value);
      CAPTURE(flags);
      const DataFields fields{.stamp = 0x1234,
                              .stream = 0x5678,
                              .sequence = 0xffffff,
                              .flags = flags,
                              .wait = static_cast<std::uint16_t>((flags & 8) != 0 ? 700 : 0)};
      std::array<std::byte, 40> bytes{};
      ByteWriter out(bytes);
      write_data_fields(out, fields);
      CHECK(out.size() == fields.bytes());
      out.u8(0x45);
      const auto body = parse_data(out.written());
      REQUIRE(body);
      CHECK(body->fields.stamp == fields.stamp);
      CHECK(body->fields.stream == fields.stream);
      CHECK(body->fields.sequence == fields.sequence);
      CHECK(body->fields.flags == fields.flags);
      CHECK(body->fields.wait == fields.wait);
      REQUIRE(body->inner.size() == 1);
      CHECK(body->inner[0] == std::byte{0x45});
    }
  }

  TEST_CASE("a sequence number past 24 bits does not reach the flags") {
    std::array<std::byte, 9> bytes{};
    ByteWriter out(bytes);
    write_data_fields(out, {.sequence = 0xff000001, .flags = kDataOrdered});
    const auto body = parse_data(bytes);
    REQUIRE(body);
    CHECK(body->fields.sequence == 1);
    CHECK(body->fields.flags == kDataOrdered);
  }

  TEST_CASE("broken DATA is refused") {
    std::array<std::byte, 13> bytes{};
    CHECK_FALSE(parse_data({}));
    CHECK_FALSE(parse_data(Bytes(bytes).first(7)));
    CHECK_FALSE(parse_data(Bytes(bytes).first(8)));  // no inner packet, yet not Void
    CHECK(parse_data(Bytes(bytes).first(9)));
    bytes[7] = std::byte{kDataVoid};
    CHECK(parse_data(Bytes(bytes).first(8)));
    CHECK_FALSE(parse_data(Bytes(bytes).first(9)));  // Void, yet an inner packet
    bytes[7] = std::byte{kDataExtended};
    CHECK_FALSE(parse_data(Bytes(bytes).first(11)));
    CHECK_FALSE(parse_data(Bytes(bytes).first(12)));
    CHECK(parse_data(bytes));
    bytes[10] = std::byte{1};  // the extension's reserved field
    CHECK_FALSE(parse_data(bytes));
  }

  TEST_CASE("CTRL ends its frames where flen says, not past its end") {
    std::array<std::byte, 12> bytes{};
    ByteWriter out(bytes);
    out.u16(0xbeef);
    out.u16(8);
    const auto body = parse_ctrl(bytes);
    REQUIRE(body);
    CHECK(body->stamp == 0xbeef);
    CHECK(body->frames.size() == 8);
    bytes[2] = std::byte{9};
    CHECK_FALSE(parse_ctrl(bytes));
    bytes[2] = std::byte{0};
    CHECK(parse_ctrl(bytes)->frames.empty());
    CHECK_FALSE(parse_ctrl(Bytes(bytes).first(3)));
  }

  TEST_CASE("wire stamps count 32.768 us and wrap") {
    CHECK(wire_stamp(at(0ns)) == 0);
    CHECK(wire_stamp(at(32767ns)) == 0);
    CHECK(wire_stamp(at(32768ns)) == 1);
    CHECK(wire_stamp(at(65536 * kStampUnit)) == 0);
    CHECK(stamp_difference(1, 0) == 32768ns);
    CHECK(stamp_difference(0, 1) == -32768ns);
    CHECK(stamp_difference(2, 0xfffe) == 4 * kStampUnit);
    CHECK(stamp_difference(0x7fff, 0) == 32767 * kStampUnit);
    CHECK(stamp_difference(0x8000, 0) == -32768 * kStampUnit);
    const Time start = at(100s);
    for (const Duration step : {0ms, 1ms, 500ms, 1000ms}) {
      const Duration measured = stamp_difference(wire_stamp(start + step), wire_stamp(start));
      CHECK(measured <= step + kStampUnit);
      CHECK(measured >= step - kStampUnit);
    }
  }

  TEST_CASE("a span in stamp units saturates") {
    CHECK(stamp_span(-1ms) == 0);
    CHECK(stamp_span(10 * kStampUnit) == 10);
    CHECK(stamp_span(10 * kStampUnit - 1ns) == 9);
    CHECK(stamp_span(10s) == 0xffff);
  }
}
