#include "proto/feedback_block.h"

#include <doctest/doctest.h>

#include <vector>

#include "proto/frames.h"

using namespace wanbond;

namespace {

const WireSlot kSlot{.number = 0x0102,
                     .packet_count = 3,
                     .full_count = 4,
                     .first_bytes = 1452,
                     .full_bytes = 0x01020304,
                     .backlogged_bytes = 0x05060708,
                     .first = 5,
                     .last = 6,
                     .end = 7,
                     .delay_min = 8,
                     .delay_mean = 9,
                     .backlogged_delay_min = 10,
                     .jump = 11,
                     .jump_count = 12,
                     .quiet_count = 13,
                     .quiet_delay = 0xfffe};
const WireTrain kTrain{
    .number = 1, .packet_count = 32, .bytes = 1452, .span = 300, .gap_median = 290};

/// A FEEDBACK with these blocks as it comes off the wire; empty when it is refused.
std::optional<FeedbackFrame> through_the_wire(std::vector<std::byte>& room, Bytes blocks) {
  room.resize(kFrameHeadBytes + kFrameValueBytesMax);
  ByteWriter out(room);
  out.u8(static_cast<std::uint8_t>(FrameType::Feedback));
  out.u8(static_cast<std::uint8_t>(kFeedbackBaseBytes + blocks.size()));
  for (std::size_t i = 0; i < kFeedbackBaseBytes; ++i) out.u8(0);
  out.put(blocks);
  auto reader = FrameReader::open(out.written());
  if (!reader) return {};
  return std::get<FeedbackFrame>(*reader->next());
}

}  // namespace

TEST_SUITE("feedback_block") {
  TEST_CASE("slots and a train are read as they were written, beside a block of another kind") {
    for (std::size_t count = 1; count <= kReportedSlotsMax; ++count) {
      std::vector<WireSlot> slots(count, kSlot);
      slots.back().number = 9;
      std::vector<std::byte> bytes(200), room;
      ByteWriter out(bytes);
      out.u8(77);
      out.u8(1);
      out.u8(0);
      write_slots(out, slots);
      write_train(out, kTrain);
      REQUIRE(out.ok());
      const auto frame = through_the_wire(room, out.written());
      REQUIRE(frame);
      const WireSlots read = slots_of(*frame);
      CHECK(std::vector(read.begin(), read.end()) == slots);
      CHECK(train_of(*frame) == kTrain);
    }
  }

  TEST_CASE("a report without these blocks says nothing of them") {
    std::vector<std::byte> room;
    const auto frame = through_the_wire(room, {});
    REQUIRE(frame);
    CHECK(slots_of(*frame).empty());
    CHECK_FALSE(train_of(*frame));
  }

  TEST_CASE("blocks of a wrong length are refused") {
    std::vector<std::byte> room;
    for (const unsigned type : {2U, 3U}) {
      for (unsigned size = 0; size < 200; ++size) {
        std::vector<std::byte> bytes(2 + size);
        bytes[0] = static_cast<std::byte>(type);
        bytes[1] = static_cast<std::byte>(size);
        const bool is_right =
            type == 2 ? size % 34 == 0 && size / 34 >= 1 && size / 34 <= 4 : size == 8;
        CHECK(through_the_wire(room, bytes).has_value() == is_right);
      }
    }
  }
}
