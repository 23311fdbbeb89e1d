// Control frames (proto/frames): layouts, refusals, and the rule that a broken packet yields none.
#include "proto/frames.h"

#include <doctest/doctest.h>

#include <array>
#include <initializer_list>
#include <vector>

#include "proto/wire.h"

using namespace wanbond;

namespace {

std::vector<std::byte> raw(std::initializer_list<unsigned> values) {
  std::vector<std::byte> bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

std::vector<std::byte> written(const Frame& frame) {
  std::vector<std::byte> bytes(kFrameHeadBytes + kFrameValueBytesMax);
  ByteWriter out(bytes);
  write_frame(out, frame);
  REQUIRE(out.ok());
  bytes.resize(out.size());
  return bytes;
}

std::vector<Frame> read_all(Bytes bytes) {
  std::vector<Frame> frames;
  auto reader = FrameReader::open(bytes);
  REQUIRE(reader);
  while (auto frame = reader->next()) frames.push_back(*frame);
  return frames;
}

bool refused(const std::vector<std::byte>& bytes) { return !FrameReader::open(bytes); }

/// One frame of each type with every field set.
std::vector<Frame> one_of_each() {
  static const auto blocks = raw({1, 2, 0xaa, 0xbb, 200, 0});
  BfdFrame bfd;
  bfd.packet.fill(std::byte{0x5a});
  AckFrame ack;
  REQUIRE(ack.sequences.push(7));
  REQUIRE(ack.sequences.push(0xfffe));
  return {
      ConfirmFrame{},
      PathChallengeFrame{0x0102030405060708, 3, true, true, 50'000},
      PathResponseFrame{0x0102030405060708, *Endpoint::parse("192.0.2.1:51900")},
      PathResponseFrame{1, *Endpoint::parse("[2001:db8::1]:1")},
      PathStatusFrame{PathId{63}, WirePathState::Down, 0x1234, 1, 2, PathReason::Silence},
      PathAbandonFrame{PathId{9}, PathReason::Config, 0xffff},
      bfd,
      FeedbackFrame{PathId{1}, 0, 2, 3, 4, 0x05060708, 9, 10, 11, 12, blocks},
      PmtuProbeFrame{1, 1452},
      PmtuAckFrame{1, 1452},
      AddrFrame{5, 6, AddrAction::Remove, *Endpoint::parse("198.51.100.7:9")},
      CloseFrame{CloseReason::Shutdown},
      ack,
      *PathNameFrame::make("lte"),
      LanMapFrame{*Prefix::parse("10.1.0.0/16"), PathId{2}, true},
      LanMapFrame{*Prefix::parse("2001:db8::/32"), PathId{3}, false},
  };
}

}  // namespace

TEST_SUITE("frames") {
  TEST_CASE("every frame comes back as it was written") {
    std::vector<std::byte> packet;
    for (const Frame& frame : one_of_each()) {
      const auto bytes = written(frame);
      CAPTURE(static_cast<int>(bytes[0]));
      const auto frames = read_all(bytes);
      REQUIRE(frames.size() == 1);
      CHECK(frames[0] == frame);
      packet.insert(packet.end(), bytes.begin(), bytes.end());
    }
    CHECK(read_all(packet) == one_of_each());
  }

  TEST_CASE("layouts are those of the pictures") {
    CHECK(written(ConfirmFrame{}) == raw({1, 0}));
    CHECK(written(PathChallengeFrame{0x0102030405060708, 3, true, false, 0x0a0b0c0d}) ==
          raw({2, 16, 8, 7, 6, 5, 4, 3, 2, 1, 3, 1, 0, 0, 0x0d, 0x0c, 0x0b, 0x0a}));
    CHECK(written(PathResponseFrame{1, *Endpoint::parse("192.0.2.1:258")}) ==
          raw({3, 28, 1, 0, 0, 0, 0, 0, 0, 0,    4,    0,   1, 2, 0,
               0, 0,  0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}));
    CHECK(written(PathStatusFrame{PathId{5}, WirePathState::Down, 0x0102, 3, 4,
                                  PathReason::Interface}) == raw({4, 8, 5, 4, 2, 1, 3, 4, 2, 0}));
    CHECK(written(PathAbandonFrame{PathId{5}, PathReason::Config, 0x0102}) ==
          raw({5, 4, 5, 4, 2, 1}));
    CHECK(written(FeedbackFrame{PathId{1}, 0, 0x0102, 3, 4, 5, 6, 7, 8, 9, {}}) ==
          raw({7, 24, 1, 0, 2, 1, 3, 0, 4, 0, 5, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 8, 0, 9, 0}));
    CHECK(written(PmtuProbeFrame{0x0102, 0x0304}) == raw({8, 4, 2, 1, 4, 3}));
    CHECK(written(PmtuAckFrame{0x0102, 0x0304}) == raw({9, 4, 2, 1, 4, 3}));
    CHECK(written(AddrFrame{0x0102, 3, AddrAction::Add, *Endpoint::parse("192.0.2.1:258")}) ==
          raw({10, 22, 2, 1, 3, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}));
    CHECK(written(CloseFrame{CloseReason::Config}) == raw({11, 4, 2, 0, 0, 0}));
    CHECK(written(*PathNameFrame::make("dsl")) == raw({13, 3, 'd', 's', 'l'}));
    CHECK(written(LanMapFrame{*Prefix::parse("10.0.0.0/8"), PathId{2}, true}) ==
          raw({14, 8, 4, 8, 2, 1, 10, 0, 0, 0}));
  }

  TEST_CASE("a length past the end breaks the packet, whatever came before") {
    for (const Frame& frame : one_of_each()) {
      auto bytes = raw({1, 0});
      const auto second = written(frame);
      bytes.insert(bytes.end(), second.begin(), second.end());
      for (std::size_t cut = 3; cut < bytes.size(); ++cut) {
        CAPTURE(cut);
        CHECK(refused({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(cut)}));
      }
    }
    CHECK(refused(raw({1})));
    CHECK(refused(raw({100, 1})));
  }

  TEST_CASE("a known frame of another length breaks the packet") {
    for (const Frame& frame : one_of_each()) {
      auto bytes = written(frame);
      if (std::holds_alternative<PathNameFrame>(frame)) continue;
      CAPTURE(static_cast<int>(bytes[0]));
      bytes[1] = static_cast<std::byte>(static_cast<unsigned>(bytes[1]) + 1);
      bytes.push_back(std::byte{1});
      CHECK(refused(bytes));
    }
  }

  TEST_CASE("unknown frames below 128 are skipped, relay frames too") {
    const auto frames = read_all(
        raw({0, 0, 15, 1, 9, 1, 0, 16, 2, 0, 0, 19, 0, 127, 3, 1, 2, 3, 11, 4, 1, 0, 0, 0}));
    REQUIRE(frames.size() == 2);
    CHECK(std::holds_alternative<ConfirmFrame>(frames[0]));
    CHECK(std::holds_alternative<CloseFrame>(frames[1]));
  }

  TEST_CASE("frame types from 128 on end the packet") {
    const auto frames = read_all(raw({1, 0, 128, 200, 1, 0}));
    CHECK(frames.size() == 1);
    CHECK(read_all(raw({255})).empty());
    CHECK(read_all({}).empty());
  }

  TEST_CASE("reserved fields must be zero and values defined") {
    struct Row {
      const char* what;
      std::vector<std::byte> bytes;
      std::size_t at;
      unsigned bad;
    };
    const auto all = one_of_each();
    const Row rows[] = {
        {"challenge flags", written(all[1]), 2 + 9, 4},
        {"challenge reserved", written(all[1]), 2 + 10, 1},
        {"response family", written(all[2]), 2 + 8, 6},
        {"response family", written(all[3]), 2 + 8, 4},
        {"response reserved", written(all[2]), 2 + 9, 1},
        {"status path", written(all[4]), 2 + 0, 64},
        {"status state", written(all[4]), 2 + 1, 0},
        {"status state", written(all[4]), 2 + 1, 6},
        {"abandon path", written(all[5]), 2 + 0, 64},
        {"feedback path", written(all[7]), 2 + 0, 64},
        {"feedback block length", written(all[7]), 2 + 25, 5},
        {"address action", written(all[10]), 2 + 3, 0},
        {"address action", written(all[10]), 2 + 3, 3},
        {"close reserved", written(all[11]), 2 + 2, 1},
        {"name with a space", written(all[13]), 2 + 1, ' '},
        {"name with a control character", written(all[13]), 2 + 1, 0x1b},
        {"name beyond ASCII", written(all[13]), 2 + 1, 0xe9},
        {"map family", written(all[14]), 2 + 0, 5},
        {"map prefix length", written(all[14]), 2 + 1, 33},
        {"map path", written(all[14]), 2 + 2, 64},
        {"map flags", written(all[14]), 2 + 3, 2},
        {"map host bits", written(all[14]), 2 + 7, 1},
        {"map prefix length", written(all[15]), 2 + 1, 129},
    };
    for (Row row : rows) {
      CAPTURE(row.what);
      CHECK_FALSE(refused(row.bytes));
      row.bytes[row.at] = static_cast<std::byte>(row.bad);
      CHECK(refused(row.bytes));
    }
  }

  TEST_CASE("an IPv4 prefix dressed as IPv6 is refused") {
    CHECK(refused(
        raw({14, 20, 6, 104, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0})));
  }

  TEST_CASE("ACK holds 1 to 16 numbers") {
    CHECK(refused(raw({12, 0})));
    CHECK(refused(raw({12, 1, 0})));
    std::vector<std::byte> bytes(2 + 2 * kAckCountMax);
    bytes[0] = std::byte{12};
    bytes[1] = static_cast<std::byte>(2 * kAckCountMax);
    CHECK_FALSE(refused(bytes));
    bytes.resize(bytes.size() + 2);
    bytes[1] = static_cast<std::byte>(2 * (kAckCountMax + 1));
    CHECK(refused(bytes));
  }

  TEST_CASE("a WAN's name has 1 to 16 printable characters") {
    CHECK(PathNameFrame::make("fiber")->name() == "fiber");
    CHECK(PathNameFrame::make("0123456789abcdef"));
    CHECK_FALSE(PathNameFrame::make("0123456789abcdefg"));
    CHECK_FALSE(PathNameFrame::make(""));
    CHECK_FALSE(PathNameFrame::make("a b"));
    CHECK_FALSE(PathNameFrame::make("a\n"));
    CHECK_FALSE(PathNameFrame::make("\x7f"));
    CHECK(refused(raw({13, 0})));
    CHECK(refused(raw({13, 17, 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a', 'a',
                       'a', 'a', 'a'})));
  }

  TEST_CASE("FEEDBACK takes blocks that it does not know") {
    auto bytes = written(FeedbackFrame{.path = PathId{1}, .packet_count = 77});
    const auto block = raw({99, 3, 1, 2, 3});
    bytes.insert(bytes.end(), block.begin(), block.end());
    bytes[1] = static_cast<std::byte>(kFeedbackBaseBytes + block.size());
    const auto frames = read_all(bytes);
    REQUIRE(frames.size() == 1);
    const auto& feedback = std::get<FeedbackFrame>(frames[0]);
    CHECK(feedback.packet_count == 77);
    CHECK(feedback.blocks.size() == block.size());
  }

  TEST_CASE("FEEDBACK acknowledges runs of numbers, newest first") {
    const std::vector<NumberRange> runs{{0x10'0000, 0x10'0004}, {0xf'fff0, 0xf'fffd}, {7, 7}};
    std::array<std::byte, 64> room{};
    ByteWriter out(room);
    write_ack_ranges(out, std::span(runs).first(2));
    const std::vector<std::byte> block(out.written().begin(), out.written().end());
    CHECK(block == raw({1, 6, 5, 0, 2, 0, 14, 0}));
    const FeedbackFrame frame{.largest_packet_number = 0x10'0004, .blocks = block};
    CHECK(read_all(written(frame)).size() == 1);
    const AckRanges said = acknowledged(frame);
    REQUIRE(said.size() == 2);
    CHECK(said[0] == runs[0]);
    CHECK(said[1] == runs[1]);
    ByteWriter far(room);
    write_ack_ranges(far, runs);  // the third is too far away to be said
    CHECK(far.size() == block.size());
  }

  TEST_CASE("a run above 65535 is said as that and ends the list") {
    const std::vector<NumberRange> runs{{100, 200'000}, {7, 7}};
    std::array<std::byte, 64> room{};
    ByteWriter out(room);
    write_ack_ranges(out, runs);
    const AckRanges said =
        acknowledged({.largest_packet_number = 200'000, .blocks = out.written()});
    REQUIRE(said.size() == 1);
    CHECK(said[0] == NumberRange{200'000 - 65534, 200'000});
  }

  TEST_CASE("RANGES holds as many runs as a frame has room for") {
    std::vector<NumberRange> runs;
    for (std::uint32_t i = 0; i < 100; ++i) runs.push_back({1000 - 2 * i, 1000 - 2 * i});
    std::array<std::byte, 255> room{};
    ByteWriter out(room);
    write_ack_ranges(out, runs);
    REQUIRE(out.ok());
    const FeedbackFrame frame{.largest_packet_number = 1000, .blocks = out.written()};
    CHECK(read_all(written(frame)).size() == 1);
    CHECK(acknowledged(frame).size() == kAckRangeCountMax);
  }

  TEST_CASE("RANGES against its definition is refused") {
    const auto feedback = [](std::initializer_list<int> block) {
      auto bytes = written(FeedbackFrame{.path = PathId{1}, .largest_packet_number = 9});
      for (const int byte : block) bytes.push_back(static_cast<std::byte>(byte));
      bytes[1] = static_cast<std::byte>(kFeedbackBaseBytes + block.size());
      return bytes;
    };
    CHECK_FALSE(refused(feedback({1, 2, 10, 0})));             // 0 to 9
    CHECK_FALSE(refused(feedback({1, 6, 8, 0, 1, 0, 1, 0})));  // 2 to 9, 0
    CHECK(refused(feedback({1, 0})));
    CHECK(refused(feedback({1, 1, 1})));
    CHECK(refused(feedback({1, 2, 0, 0})));                          // no number
    CHECK(refused(feedback({1, 2, 11, 0})));                         // below 0
    CHECK(refused(feedback({1, 4, 1, 0, 1, 0})));                    // a gap and no run
    CHECK(refused(feedback({1, 6, 1, 0, 0, 0, 1, 0})));              // no gap
    CHECK(refused(feedback({1, 6, 1, 0, 1, 0, 0, 0})));              // no run
    CHECK(refused(feedback({1, 6, 8, 0, 1, 0, 2, 0})));              // below 0
    CHECK(refused(feedback({1, 6, 1, 0, 0xff, 0xff, 0xff, 0xff})));  // far below 0
  }

  TEST_CASE("reasons that are not known yet are kept") {
    const auto frames =
        read_all(raw({4, 8, 5, 4, 2, 1, 3, 4, 0xff, 0xee, 11, 4, 0x34, 0x12, 0, 0}));
    REQUIRE(frames.size() == 2);
    CHECK(static_cast<unsigned>(std::get<PathStatusFrame>(frames[0]).reason) == 0xeeff);
    CHECK(static_cast<unsigned>(std::get<CloseFrame>(frames[1]).reason) == 0x1234);
  }

  TEST_CASE("a writer fills flen and pads, and a frame without room changes nothing") {
    std::array<std::byte, 40> room{};
    room.fill(std::byte{0xee});
    FrameWriter writer(room, 0xabcd);
    CHECK(writer.empty());
    CHECK(writer.push(PathChallengeFrame{.token = 1}));
    CHECK(writer.push(CloseFrame{}));
    CHECK(writer.size() == 4 + 18 + 6);
    CHECK_FALSE(writer.push(BfdFrame{}));
    CHECK(writer.size() == 4 + 18 + 6);
    CHECK(writer.push(ConfirmFrame{}));
    const auto body = parse_ctrl(writer.finish(room.size()));
    REQUIRE(body);
    CHECK(body->stamp == 0xabcd);
    CHECK(read_all(body->frames).size() == 3);
    for (std::size_t i = writer.size(); i < room.size(); ++i) CHECK(room[i] == std::byte{0});
  }

  TEST_CASE("a writer without padding gives exactly its frames") {
    std::array<std::byte, 40> room{};
    FrameWriter writer(room, 0);
    CHECK(writer.finish().size() == kCtrlFieldsBytes);
    CHECK(writer.push(ConfirmFrame{}));
    CHECK(writer.finish().size() == kCtrlFieldsBytes + kFrameHeadBytes);
  }
}
