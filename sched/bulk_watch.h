// BulkWatch: tells a flow that fills its path, as QUIC downloads do, from all others. One for each
// flow of UDP without a rule; station 3 of the way out (scheduling 5.12, per-flow handoff).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "sched/units.h"

namespace wanbond {

/// How packets of a flow go out.
enum class BulkStage : std::uint8_t {
  Plain,     // on the path that all take
  Numbered,  // the same, but kept and put in order: it may become Bulk, or was Bulk just now
  Bulk       // over all paths, kept and put in order, as TCP
};

/// What is known of the path that the flow takes while it is Plain.
struct BulkPath {
  BytesPerSecond capacity = 0;  // 0: unknown, or that flows can be on one path only
  bool is_busy = false;         // a queue stands in it
};

/// Bulk is who sends at least 1 Mbit/s, and three quarters of what the best path carries, for 4 s
/// in a row, while a queue stands in that path for at least half of the packets; until it has sent
/// less than half of that rate for 4 s, or nothing for 2 s. It is Numbered from its first such
/// second on and for a second afterwards, so that no packet is overtaken at the change.
class BulkWatch {
 public:
  /// So many bytes go out. With a path of no known capacity the flow is Plain.
  BulkStage on_packet(Time now, std::uint32_t bytes, const BulkPath& path) noexcept;
  BulkStage stage() const noexcept { return stage_; }

 private:
  void review(Duration counted, BytesPerSecond capacity) noexcept;

  Time since_{};  // of what is counted at present
  std::uint32_t bytes_ = 0, busy_bytes_ = 0;
  std::uint8_t streak_ = 0;  // seconds in a row that speak for a change
  BulkStage stage_{};
};

}  // namespace wanbond
