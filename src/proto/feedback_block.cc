#include "proto/feedback_block.h"

namespace wanbond {
namespace {

constexpr std::size_t kSlotBytes = 34;
constexpr std::size_t kTrainBytes = 8;

/// The value of the first block of a type; the blocks are well-formed.
Bytes find_block(const FeedbackFrame& feedback, std::uint8_t type) noexcept {
  ByteReader in(feedback.blocks);
  while (in.remaining() > 0) {
    const std::uint8_t found = in.u8();
    const Bytes value = in.take(in.u8());
    if (found == type) return value;
  }
  return {};
}

WireSlot read_slot(ByteReader& in) noexcept {
  WireSlot slot;
  slot.number = in.u16();
  slot.packet_count = in.u16();
  slot.full_count = in.u16();
  slot.first_bytes = in.u16();
  slot.full_bytes = in.u32();
  slot.backlogged_bytes = in.u32();
  slot.first = in.u16();
  slot.last = in.u16();
  slot.end = in.u16();
  slot.delay_min = in.u16();
  slot.delay_mean = in.u16();
  slot.backlogged_delay_min = in.u16();
  slot.jump = in.u16();
  slot.jump_count = in.u8();
  slot.quiet_count = in.u8();
  slot.quiet_delay = in.u16();
  return slot;
}

void write_slot(ByteWriter& out, const WireSlot& slot) noexcept {
  out.u16(slot.number);
  out.u16(slot.packet_count);
  out.u16(slot.full_count);
  out.u16(slot.first_bytes);
  out.u32(slot.full_bytes);
  out.u32(slot.backlogged_bytes);
  out.u16(slot.first);
  out.u16(slot.last);
  out.u16(slot.end);
  out.u16(slot.delay_min);
  out.u16(slot.delay_mean);
  out.u16(slot.backlogged_delay_min);
  out.u16(slot.jump);
  out.u8(slot.jump_count);
  out.u8(slot.quiet_count);
  out.u16(slot.quiet_delay);
}

}  // namespace

std::uint16_t slot_stamp(Duration value) noexcept {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>(value / kStampUnit));
}

bool is_feedback_block(std::uint8_t type, Bytes value) noexcept {
  if (type == kBlockTrain) return value.size() == kTrainBytes;
  if (type != kBlockSlots) return true;
  return !value.empty() && value.size() % kSlotBytes == 0 &&
         value.size() / kSlotBytes <= kReportedSlotsMax;
}

WireSlots slots_of(const FeedbackFrame& feedback) noexcept {
  WireSlots slots;
  ByteReader in(find_block(feedback, kBlockSlots));
  while (in.remaining() >= kSlotBytes && slots.push(read_slot(in))) continue;
  return slots;
}

std::optional<WireTrain> train_of(const FeedbackFrame& feedback) noexcept {
  ByteReader in(find_block(feedback, kBlockTrain));
  WireTrain train;
  train.number = in.u8();
  train.packet_count = in.u8();
  train.bytes = in.u16();
  train.span = in.u16();
  train.gap_median = in.u16();
  return in.ok() ? std::optional(train) : std::nullopt;
}

void write_slots(ByteWriter& out, std::span<const WireSlot> slots) noexcept {
  if (slots.empty()) return;
  out.u8(kBlockSlots);
  out.u8(static_cast<std::uint8_t>(slots.size() * kSlotBytes));
  for (const WireSlot& slot : slots) write_slot(out, slot);
}

void write_train(ByteWriter& out, const WireTrain& train) noexcept {
  out.u8(kBlockTrain);
  out.u8(static_cast<std::uint8_t>(kTrainBytes));
  out.u8(train.number);
  out.u8(train.packet_count);
  out.u16(train.bytes);
  out.u16(train.span);
  out.u16(train.gap_median);
}

}  // namespace wanbond
