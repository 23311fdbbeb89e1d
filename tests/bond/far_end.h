// FarEnd: the receiving gateway of the scheduler's simulator: meters, reports, resequencing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/packet.h"
#include "sched/received.h"
#include "sched/resequencer.h"
#include "sched/slot.h"
#include "sched/train.h"
#include "tests/bond/datagram.h"
#include "tests/sim/world.h"

namespace wanbond::bond {

/// How reports go back.
struct ReportHabits {
  Duration busy = 10ms;  // while data arrives
  Duration fast = 5ms;   // above 100 Mbit/s
  Duration idle = 20ms;
  Duration after_gap = 2ms;
};

class FarEnd {
 public:
  using Send = std::function<void(std::uint8_t path, const Datagram&)>;
  using Deliver = std::function<void(const InnerPacket&)>;
  FarEnd(sim::World& world, std::size_t paths, Send send, Deliver deliver);
  FarEnd(const FarEnd&) = delete;
  FarEnd& operator=(const FarEnd&) = delete;

  void start();
  void from_wan(const Datagram& datagram);
  /// An acknowledgement of a host behind this gateway.
  void from_lan(const InnerPacket& packet);
  void set_hold(Duration hold) noexcept { resequencer_.set_hold(hold); }
  void on_down(std::uint8_t path) { paths_[path].is_up = false; }
  void on_up(std::uint8_t path) { paths_[path].is_up = true; }

  const Resequencer& resequencer() const noexcept { return resequencer_; }
  /// Packets held at each arrival since clear_depths().
  const std::vector<std::uint16_t>& depths() const noexcept { return depths_; }
  void clear_depths() { depths_.clear(); }

 private:
  struct Path {
    SlotMeter slots;
    TrainMeter train;
    ReceivedNumbers received;
    std::uint32_t report_number = 0, packets = 0;
    Duration delay_least = Duration::max();
    Time heard{};
    bool is_up = true;
  };
  Duration clock() const noexcept;
  void report();
  void report_at(Time time);
  std::uint8_t fastest(std::size_t except) const;
  void take_ordered(const Datagram& datagram);
  void deliver_released();
  void watch_holes();

  sim::World& world_;
  Send send_;
  Deliver deliver_;
  PacketPool pool_;
  Resequencer resequencer_;
  std::vector<Path> paths_;
  std::uint64_t bytes_since_ = 0;
  Time rate_since_{};
  bool is_fast_ = false;
  Time reported_{}, report_due_ = kNever, gap_reported_{};
  Time hole_armed_ = kNever;
  std::vector<std::uint16_t> depths_;
};

}  // namespace wanbond::bond
