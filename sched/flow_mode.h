// FlowModes: which flows are held at a constant round trip: one that begins alone, for a while,
// and one that does not get beyond its fastest path although there is more (scheduling 5.12).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "sched/bond_queue.h"
#include "sched/units.h"

namespace wanbond {

/// What flows that begin alone are optimised for.
enum class FlowStart : std::uint8_t {
  Bulk,  // held from the first packet: full rate of all paths early
  Web,   // not held: short transfers are as fast as on the fastest path
  Never  // nor later: nobody holds acknowledgements
};

/// What there is to get.
struct CapacityOutlook {
  BytesPerSecond fastest = 0;  // of the path with the least delay
  BytesPerSecond sum = 0;
};

/// Flows are the buckets of BondQueue.
class FlowModes {
 public:
  FlowModes() noexcept : flows_(BondQueue::kFlowsMax) {}
  void set_start(FlowStart start) noexcept { start_ = start; }

  /// A packet of a flow; true: the flow is held from now on.
  bool on_packet(Time now, std::uint16_t flow, std::uint32_t bytes) noexcept;
  /// Once a second at most: looks at what the flow got. `backlog_bytes`: what it has waiting.
  void review(Time now, std::uint16_t flow, std::uint64_t backlog_bytes,
              const CapacityOutlook& capacity) noexcept;
  /// A packet of the flow was dropped or marked by the queue.
  void on_signal(std::uint16_t flow) noexcept { flows_[flow].was_signalled = true; }

  /// The bulk flows of late, at most kRecentMax.
  std::span<const std::uint16_t> recent() const noexcept { return {recent_.data(), recent_count_}; }
  static constexpr std::size_t kRecentMax = 16;

  bool is_held(Time now, std::uint16_t flow) const noexcept {
    return flows_[flow].held_until > now;
  }
  /// When the flow began, for what is different in its first seconds.
  Time began(std::uint16_t flow) const noexcept { return flows_[flow].began; }

 private:
  struct Flow {
    Time began = kNever, used{}, reviewed{}, held_until{};
    std::uint32_t packets = 0;
    std::uint64_t bytes = 0;  // since the last review
    std::uint64_t backlog_max = 0, backlog_before = 0;
    unsigned stuck = 0;  // reviews in a row
    bool was_signalled = false;
  };
  bool is_alone(Time now, std::uint16_t flow) const noexcept;

  std::vector<Flow> flows_;
  void note_recent(Time now, std::uint16_t flow) noexcept;

  std::array<std::uint16_t, kRecentMax> recent_{};
  std::size_t recent_count_ = 0;
  std::uint16_t bulk_flow_ = 0;  // the last one that sent more than a few packets
  Time bulk_at_{};
  FlowStart start_ = FlowStart::Bulk;
};

}  // namespace wanbond
