// Blocks 2 and 3 of FEEDBACK: what the receiver saw of a path in time, from which the sender learns
// its capacity and queue (scheduling 5.2). The source is wanbond-protocol(7); block 1 is in
// frames.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/fixed.h"
#include "base/time.h"
#include "proto/frames.h"
#include "proto/limits.h"

namespace wanbond {

/// One slot of 5 ms. Times and delays are in stamp units and wrap: times are the reporter's clock,
/// a delay is that clock minus the ts of the packet. "Full" are DATA of at least 1000 bytes.
///
///     0     2      4      6       8            12           16      18     20
///     | nr  | all  | full | first | full bytes | backlogged | first | last | end |
///     22        24         26          28     30      31      32            34
///     | delay   | mean     | of backl. | jump | jumps | quiet | quiet delay |
struct WireSlot {
  std::uint16_t number = 0;            ///< counts slots up, wraps
  std::uint16_t packet_count = 0;      ///< DATA and CTRL
  std::uint16_t full_count = 0;        ///< of them, full ones
  std::uint16_t first_bytes = 0;       ///< of the first full one
  std::uint32_t full_bytes = 0;        ///< of all full ones
  std::uint32_t backlogged_bytes = 0;  ///< of all DATA with the flag Backlogged
  std::uint16_t first = 0, last = 0;   ///< arrival of the first and last full one
  std::uint16_t end = 0;               ///< arrival of the last of any
  std::uint16_t delay_min = 0, delay_mean = 0;
  std::uint16_t backlogged_delay_min = 0;  ///< only if backlogged_bytes is not 0
  std::uint16_t jump = 0;                  ///< largest step up of the delay, a span
  std::uint8_t jump_count = 0;             ///< steps looked at, at most 255
  std::uint8_t quiet_count = 0;            ///< heartbeats on the idle path, at most 255
  std::uint16_t quiet_delay = 0;           ///< of the last of them
  friend bool operator==(const WireSlot&, const WireSlot&) = default;
};
using WireSlots = FixedVector<WireSlot, kReportedSlotsMax>;

/// What is known of the newest train of probes; 8 bytes.
///
///     0    1       2       4      6        8
///     | nr | count | bytes | span | median |
struct WireTrain {
  std::uint8_t number = 0;        ///< counts trains from 1 on
  std::uint8_t packet_count = 0;  ///< that arrived
  std::uint16_t bytes = 0;        ///< of each, UDP payload
  std::uint16_t span = 0;         ///< from the first to the last, stamp units
  std::uint16_t gap_median = 0;   ///< between neighbours, kTrainGapUnit
  friend bool operator==(const WireTrain&, const WireTrain&) = default;
};

/// How a time or delay is written in a slot: the low 16 bits of its stamp units.
std::uint16_t slot_stamp(Duration value) noexcept;
/// Whether a block of one of these types is well-formed; true for all other types.
bool is_feedback_block(std::uint8_t type, Bytes value) noexcept;
/// What a report says; empty without such a block. Only of a parsed FEEDBACK.
WireSlots slots_of(const FeedbackFrame& feedback) noexcept;
std::optional<WireTrain> train_of(const FeedbackFrame& feedback) noexcept;
/// Write one block each, head and value; nothing for no slot. `out` is not ok() if it did not fit.
void write_slots(ByteWriter& out, std::span<const WireSlot> slots) noexcept;
void write_train(ByteWriter& out, const WireTrain& train) noexcept;

}  // namespace wanbond
