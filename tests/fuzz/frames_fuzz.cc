// Fuzz target: the frames of a CTRL. What the reader yields can be written, and reads the same.
#include <array>

#include "base/check.h"
#include "proto/feedback_block.h"
#include "proto/frames.h"

using namespace wanbond;

namespace {

/// Slots that were read can be written again, one block of them, where a report of theirs fits.
void read_blocks(const FeedbackFrame& feedback) {
  const WireSlots slots = slots_of(feedback);
  std::array<std::byte, kFrameValueBytesMax> again{};
  ByteWriter out(again);
  write_slots(out, {slots.begin(), slots.size()});
  if (const auto train = train_of(feedback)) write_train(out, *train);
  check(out.ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  auto reader = FrameReader::open(bytes);
  if (!reader) return 0;
  std::size_t count = 0;
  while (const auto frame = reader->next()) {
    check(++count * kFrameHeadBytes <= size);
    std::array<std::byte, kFrameHeadBytes + kFrameValueBytesMax> again{};
    ByteWriter out(again);
    write_frame(out, *frame);
    check(out.ok());
    auto second = FrameReader::open(out.written());
    check(second.has_value());
    check(second->next() == frame);
    check(!second->next());
    if (const auto* feedback = std::get_if<FeedbackFrame>(&*frame)) read_blocks(*feedback);
  }
  return 0;
}
