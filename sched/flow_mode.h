// FlowModes: which flows are held at a constant round trip: those for which it was asked
// (scheduling 5.12, aggregate-smooth), and whether one of them begins alone. One per Bond.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.h"
#include "sched/bond_queue.h"

namespace wanbond {

/// Whether the acknowledgements of a flow are to come back at a constant round trip.
enum class FlowHold : std::uint8_t { No, Yes };

/// Flows are the buckets of BondQueue.
class FlowModes {
 public:
  FlowModes() noexcept : flows_(BondQueue::kFlowsMax) {}

  /// For the packets to come. True: it was the other way.
  bool set_hold(std::uint16_t flow, FlowHold hold) noexcept;
  /// A packet of a flow; true: a held flow begins while no other has sent much of late.
  bool on_packet(Time now, std::uint16_t flow) noexcept;

  /// The held flows of late, at most kRecentMax.
  std::span<const std::uint16_t> recent() const noexcept { return {recent_.data(), recent_count_}; }
  static constexpr std::size_t kRecentMax = 16;

  bool is_held(std::uint16_t flow) const noexcept { return flows_[flow].hold == FlowHold::Yes; }
  /// When the flow began, for what is different in its first seconds.
  Time began(std::uint16_t flow) const noexcept { return flows_[flow].began; }
  /// Its newest packet.
  Time used(std::uint16_t flow) const noexcept { return flows_[flow].used; }

 private:
  struct Flow {
    Time began = kNever, used{};
    std::uint32_t packets = 0;
    FlowHold hold{};
  };
  bool is_alone(Time now, std::uint16_t flow) const noexcept;
  void note_recent(Time now, std::uint16_t flow) noexcept;

  std::vector<Flow> flows_;
  std::array<std::uint16_t, kRecentMax> recent_{};
  std::size_t recent_count_ = 0;
  std::uint16_t bulk_flow_ = 0;  // the last one that sent more than a few packets
  Time bulk_at_{};
};

}  // namespace wanbond
