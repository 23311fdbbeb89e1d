// SlotMeter: what the receiver saw of one path, in slots of 5 ms; the sender's estimators live on
// it (scheduling 5.2). One per path, a few additions per packet.
// On the wire a slot is to be block 2 of FEEDBACK, 28 bytes each, newest first, at most four:
//   number 2 | packets 2 | full 2 | first bytes 2 | full bytes 4 | backlogged bytes 4 |
//   first 2 | last 2 | delay min 2 | mean 2 | backlogged min 2 | jump 2    (times in stamp units)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/time.h"

namespace wanbond {

/// What kind of packet an arrival is, for the meters.
enum class ArrivalKind : std::uint8_t {
  Plain,       // DATA that found its gate open
  Backlogged,  // DATA that waited for the gate: flag B of the wire
  Probe,       // of a train
  Control,     // heartbeat or report
};

/// One authentic packet. Times are of the receiver's clock; `delay` is that clock minus the
/// sender's stamp, so it holds their offset, the same for all paths.
struct SlotArrival {
  Duration at{};
  Duration delay{};
  std::uint16_t bytes = 0;
  ArrivalKind kind = ArrivalKind::Plain;
};

/// One slot. "Full" packets are DATA of at least kFullBytesMin.
struct SlotReport {
  std::uint16_t number = 0;        // counts up, wraps
  std::uint16_t packets = 0;       // of any kind
  std::uint16_t full_packets = 0;  // of them, full
  std::uint16_t first_bytes = 0;   // of the first full one
  std::uint32_t full_bytes = 0;    // of all full ones
  std::uint32_t backlogged_bytes = 0;
  Duration first{}, last{};  // arrival of the first and last full one; see SlotMeter
  Duration end{};            // last arrival of any
  Duration delay_min{}, delay_mean{};
  Duration backlogged_delay_min = Duration::max();  // max: none
  Duration jump{};          // largest step up from one packet to the next like it
  std::uint16_t jumps = 0;  // how many steps were looked at
  std::uint16_t quiet = 0;  // heartbeats on an idle path
  Duration quiet_delay{};   // delay of the last of them
};

/// Closes a slot with the first arrival 5 ms after its beginning, or when it is reported. What
/// stood still somewhere and came at once has shown no rate but that of its sender: then `first` is
/// so early that the slot is as long as its sending was.
class SlotMeter {
 public:
  static constexpr Duration kSlot = 5ms;
  /// How many slots a report repeats, so that the loss of reports costs nothing.
  static constexpr std::size_t kRepeated = 4;

  void on_packet(const SlotArrival& arrival) noexcept;
  /// The last slots, oldest first; closes the open one unless it is very young. `now` is the
  /// receiver's clock.
  std::span<const SlotReport> report(Duration now) noexcept;

 private:
  void close() noexcept;
  void note_step(const SlotArrival& arrival, bool is_full) noexcept;

  std::array<SlotReport, kRepeated> closed_{};
  std::size_t closed_count_ = 0;
  SlotReport open_;
  Duration open_since_{};
  Duration delay_sum_{};
  Duration first_delay_{};  // of its first full packet
  bool is_open_ = false;
  std::uint16_t next_number_ = 0;

  static constexpr Duration kLongAgo = Duration::min() / 2;
  Duration full_at_ = kLongAgo, full_delay_{};    // of the last full packet
  Duration small_at_ = kLongAgo, small_delay_{};  // of the last heartbeat
  Duration probe_at_ = kLongAgo;                  // of the last packet of a train
  Duration quiet_at_ = kLongAgo;                  // of the last heartbeat taken as quiet
};

}  // namespace wanbond
