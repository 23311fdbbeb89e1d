#include "core/peer_clock.h"

#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

/// The duration nearest to `near` whose low bits are these.
Duration unwrap(Duration near, std::uint16_t bits) noexcept {
  return near / kStampUnit * kStampUnit + stamp_difference(bits, slot_stamp(near));
}

}  // namespace

Duration PeerClock::on_stamp(Time now, std::uint16_t stamp) noexcept {
  const Duration ours = now.time_since_epoch();
  if (!is_known_) {
    is_known_ = true;
    offset_ = stamp_difference(stamp, wire_stamp(now));
  }
  written_ = unwrap(ours + offset_, stamp);
  offset_ = written_ - ours;
  return written_;
}

Duration PeerClock::time(std::uint16_t stamp) const noexcept { return unwrap(written_, stamp); }

/// Near the offset: what is between them is a round trip at most.
Duration PeerClock::delay(std::uint16_t stamp) const noexcept { return unwrap(offset_, stamp); }

SlotReport PeerClock::slot(const WireSlot& wire) const noexcept {
  SlotReport slot{.number = wire.number,
                  .packets = wire.packet_count,
                  .full_packets = wire.full_count,
                  .first_bytes = wire.first_bytes,
                  .full_bytes = wire.full_bytes,
                  .backlogged_bytes = wire.backlogged_bytes,
                  .first = time(wire.first),
                  .last = time(wire.last),
                  .end = time(wire.end),
                  .delay_min = delay(wire.delay_min),
                  .delay_mean = delay(wire.delay_mean),
                  .jump = kStampUnit * wire.jump,
                  .jumps = wire.jump_count,
                  .quiet = wire.quiet_count,
                  .quiet_delay = delay(wire.quiet_delay)};
  if (wire.backlogged_bytes > 0) slot.backlogged_delay_min = delay(wire.backlogged_delay_min);
  return slot;
}

TrainReport PeerClock::train(const WireTrain& wire) const noexcept {
  return {.number = wire.number,
          .packets = wire.packet_count,
          .bytes = wire.bytes,
          .span = kStampUnit * wire.span,
          .gap_median = kTrainGapUnit * wire.gap_median};
}

}  // namespace wanbond
