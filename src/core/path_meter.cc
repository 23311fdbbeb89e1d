#include "core/path_meter.h"

#include <algorithm>
#include <limits>

#include "proto/feedback_block.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

template <class Narrow, class Wide>
Narrow at_most(Wide value) noexcept {
  return static_cast<Narrow>(
      std::clamp<Wide>(value, 0, static_cast<Wide>(std::numeric_limits<Narrow>::max())));
}

WireSlot to_wire(const SlotReport& slot) noexcept {
  WireSlot wire{.number = slot.number,
                .packet_count = slot.packets,
                .full_count = slot.full_packets,
                .first_bytes = slot.first_bytes,
                .full_bytes = slot.full_bytes,
                .backlogged_bytes = slot.backlogged_bytes,
                .first = slot_stamp(slot.first),
                .last = slot_stamp(slot.last),
                .end = slot_stamp(slot.end),
                .delay_min = slot_stamp(slot.delay_min),
                .delay_mean = slot_stamp(slot.delay_mean),
                .jump = stamp_span(slot.jump),
                .jump_count = at_most<std::uint8_t>(unsigned{slot.jumps}),
                .quiet_count = at_most<std::uint8_t>(unsigned{slot.quiet}),
                .quiet_delay = slot_stamp(slot.quiet_delay)};
  if (slot.backlogged_bytes > 0) wire.backlogged_delay_min = slot_stamp(slot.backlogged_delay_min);
  return wire;
}

}  // namespace

void PathMeter::on_packet(Time arrived, std::uint16_t stamp, std::uint32_t bytes,
                          ArrivalKind kind) noexcept {
  const auto delay = static_cast<std::uint16_t>(wire_stamp(arrived) - stamp);
  if (!is_started_) {
    is_started_ = true;
    delay_stamp_ = delay;
    delay_ = kStampUnit * delay + kStampUnit * 0x10000;  // far from 0 either way
  }
  delay_ += stamp_difference(delay, delay_stamp_);
  delay_stamp_ = delay;
  at_ = std::max(at_, arrived.time_since_epoch());  // two queues of the card may swap their packets
  const auto size = at_most<std::uint16_t>(bytes);
  slots_.on_packet({at_, delay_, size, kind});
  if (kind == ArrivalKind::Probe) train_.on_packet(at_, size);
}

void PathMeter::write_blocks(Time now, ByteWriter& out) noexcept {
  FixedVector<WireSlot, kReportedSlotsMax> slots;
  for (const SlotReport& slot : slots_.report(now.time_since_epoch()))
    (void)slots.push(to_wire(slot));
  write_slots(out, {slots.begin(), slots.size()});
  const TrainReport train = train_.report();
  if (train.number == 0) return;
  write_train(out, {.number = train.number,
                    .packet_count = train.packets,
                    .bytes = train.bytes,
                    .span = stamp_span(train.span),
                    .gap_median = at_most<std::uint16_t>(train.gap_median / kTrainGapUnit)});
}

}  // namespace wanbond
