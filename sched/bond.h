// Bond: the scheduler of one session as one machine: estimators, rates, gates, the common queue and
// look-ahead of all paths. It says which packet goes where and when; it sends nothing.
//
// How it is wired (the session): a super packet from the LAN that is no pure acknowledgement and
// belongs to an ordered flow is given its order numbers, kept, and pushed as a run. Then, and at
// next_timeout(), pull() until it gives none: each grant is sealed and sent on its path, its
// segments go to that path's SentLog; a void grant sends the numbers only. What needs no order
// (voice, DNS, ICMP, pure acknowledgements) asks urgent_path() and goes at once. A report calls
// SentLog first, then on_report(). Repairs go out ahead of pull(), on repair_path().
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/time.h"
#include "sched/bond_queue.h"
#include "sched/cross_traffic.h"
#include "sched/flow_mode.h"
#include "sched/gate.h"
#include "sched/hold_plan.h"
#include "sched/look_ahead.h"
#include "sched/path_model.h"
#include "sched/rate.h"
#include "sched/slot.h"
#include "sched/train.h"

namespace wanbond {

/// A run to be sent now.
struct Grant {
  SegmentRun run;
  std::uint8_t path = 0;
  std::uint16_t flow = 0;
  QueueVerdict verdict = QueueVerdict::Send;
  ArrivalKind kind = ArrivalKind::Plain;  // Backlogged: flag B of the wire
  Duration sojourn{};
};

/// Leave to send a run that was never queued.
struct DirectGrant {
  std::uint8_t path = 0;
  ArrivalKind kind = ArrivalKind::Plain;
};

/// A report on one path, as the Bond needs it.
struct BondReport {
  std::uint8_t path = 0;
  Duration written{};  // the receiver's clock
  std::span<const SlotReport> slots;
  TrainReport train;
  std::uint32_t largest = 0, packets = 0;  // the receiver's counts of this epoch
  std::size_t in_flight = 0;               // DATA under way, by the SentLog
};

/// Paths are 0 to kBondPathsMax - 1; all are away until on_path_up().
class Bond {
 public:
  Bond() noexcept;

  // Paths.
  void on_path_up(Time now, std::uint8_t path) noexcept;
  void on_path_down(Time now, std::uint8_t path) noexcept;
  /// Nothing comes back from it: it takes no packets while another does. The next report with
  /// something new ends it.
  void suspend(Time now, std::uint8_t path) noexcept;
  void resume(Time now, std::uint8_t path) noexcept;
  /// A report came over `via`, news or not; `age` is its time of arrival by our clock minus that of
  /// writing by the peer's, so their offset is in it.
  void on_heard(Time now, std::uint8_t via, Duration age) noexcept;
  /// News of a path; after on_heard().
  void on_report(Time now, const BondReport& report) noexcept;

  // Packets.
  /// A run of an ordered flow, a bucket of BondQueue. False: refused, as in BondQueue::push().
  [[nodiscard]] bool push(Time now, std::uint16_t flow, const SegmentRun& run,
                          EcnCapable ecn) noexcept;
  /// Instead of push() and pull(), for `segments` of `bytes` in all: what the preferred path, or
  /// the one that the flow is pinned to, takes at once while nothing waits needs no queue. None:
  /// push it.
  std::optional<DirectGrant> pass(Time now, std::uint16_t flow, std::uint32_t segments,
                                  std::uint32_t bytes) noexcept;
  const BondQueue& queue() const noexcept { return queue_; }
  /// The flow to be given for what is pinned to a path, as BondQueue::pinned().
  std::uint16_t pinned(std::uint8_t path, std::uint32_t key) noexcept {
    return queue_.pinned(path, key);
  }
  std::optional<Grant> pull(Time now) noexcept;
  /// How much of what is under way on a path will come so late that a copy over another path comes
  /// first: all behind so many bytes. None: nothing, or no budget is left.
  std::optional<double> late_behind(Time now, std::uint8_t path) noexcept;
  /// A copy of so many bytes goes out for that reason.
  void on_rescue(std::uint8_t path, std::uint32_t bytes) noexcept {
    paths_[path].rescue_budget -= bytes;
  }
  /// When pull() may give something; kNever when it needs an input first.
  Time next_timeout() const noexcept { return wake_; }
  /// For what is small and must not wait; none: no path is up.
  std::optional<std::uint8_t> urgent_path() const noexcept;
  /// For what was lost, from the moment given: the path that delivers it first.
  struct RepairPlan {
    std::uint8_t path = 0;
    Time at{};
  };
  std::optional<RepairPlan> repair_path(Time now) const noexcept;
  /// Something went out that pull() did not grant.
  void on_sent(Time now, std::uint8_t path, std::uint32_t bytes) noexcept;

  /// The constant round trip at which this flow's pure acknowledgements are to leave (AckHold);
  /// none: they leave at once.
  std::optional<Duration> held_round_trip(std::uint16_t flow) const noexcept;
  /// For what is pushed or passes from now on; not held by default.
  void set_hold(std::uint16_t flow, FlowHold hold) noexcept {
    if (modes_.set_hold(flow, hold) && hold == FlowHold::No) queue_.set_level(flow, {});
  }

  // What it believes.
  bool is_up(std::uint8_t path) const noexcept { return paths_[path].is_up; }
  bool is_suspended(std::uint8_t path) const noexcept { return paths_[path].is_suspended; }
  const PathModel& model(std::uint8_t path) const noexcept { return paths_[path].model; }
  const RateController& rate(std::uint8_t path) const noexcept { return paths_[path].rate; }
  const CrossTraffic& cross_traffic() const noexcept { return cross_; }
  const Gate& gate(std::uint8_t path) const noexcept { return paths_[path].gate; }
  const LookAhead& look_ahead() const noexcept { return look_ahead_; }
  BytesPerSecond capacity() const noexcept;
  /// How long the receiver should wait for what is missing: T_gap of scheduling 5.8.
  Duration hold_time() const noexcept;
  /// True when a path that takes packets seems to be dead: what was sent at `oldest`, and all after
  /// it, should have arrived before the newest report, or the path itself has fallen silent.
  bool is_suspect(Time now, std::uint8_t path, Time oldest) const noexcept;
  /// No report has come over it for longer than they usually take.
  bool is_silent(Time now, std::uint8_t path) const noexcept {
    return is_silent(now, paths_[path]);
  }
  /// Our clock minus the receiver's, plus the delay of the fastest living way back.
  Duration reverse_delay() const noexcept { return reverse_; }
  /// The train that a path in the start phase should get now: the first is long, the others what
  /// it takes in 40 ms.
  TrainSize take_train(Time now, std::uint8_t path) noexcept;

 private:
  struct Path {
    PathModel model;
    RateController rate;
    Gate gate;
    bool is_up = false;
    bool is_suspended = false;
    bool was_up = false;
    double packet_bytes = kFullBytes;  // mean size of what is granted
    std::size_t in_flight = 0;         // packets
    double rescue_budget = 0;          // bytes
    Time rescue_at{};
    unsigned trains_left = 0, train_count = 0;  // probes of the newest
    Time train_at{};
    Duration written = Duration::min();  // by the newest report on it, the receiver's clock
    Time heard{};                        // when a report came over it
    Duration report_gap = 5ms;           // between two of them, smoothed
    // The least age of a report that came over it, in buckets; the clocks' offset is in it.
    Duration reverse_now = Duration::max(), reverse_before = Duration::max();
    Time reverse_since{};
    Duration reverse() const noexcept { return std::min(reverse_now, reverse_before); }
  };
  bool is_usable(const Path& path) const noexcept {
    return path.is_up && (!path.is_suspended || !any_alive_);
  }
  bool is_silent(Time now, const Path& path) const noexcept;
  void refresh(Time now) noexcept;
  void set_pinned(Time now, std::uint8_t id) noexcept;
  void plan_hold(Time now) noexcept;
  void treat(Time now, std::uint16_t flow) noexcept;
  Duration hold_delay(std::uint8_t id) const noexcept;
  Duration typical_base() const noexcept;
  Duration typical_reverse() const noexcept;
  void set_gate(std::uint8_t id) noexcept;
  void judge_cross_traffic(Time now, std::uint8_t id) noexcept;
  Duration loss_allowance(const Path& path) const noexcept;
  Duration arrival(const Path& path) const noexcept;
  void choose_home(std::span<const PathOutlook> outlooks) noexcept;
  ArrivalKind take(Time now, Path& path, std::uint32_t segments, std::uint32_t bytes) noexcept;
  std::uint32_t quantum(const Path& path) const noexcept;

  std::array<Path, kBondPathsMax> paths_;
  BondQueue queue_;
  LookAhead look_ahead_;
  HoldPlan plan_;
  FlowModes modes_;
  CrossTraffic cross_;
  CodelSettings codel_;
  bool any_alive_ = false;
  std::uint8_t home_ = kBondPathsMax;  // the path that is preferred; kBondPathsMax: none
  Time wake_ = kNever;
  Time changed_{};  // a path came or went
  Duration reverse_{};
};

}  // namespace wanbond
