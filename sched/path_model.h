// PathModel: what the sender believes of one path, from the receiver's slots: base delay, queue,
// jitter, delivered rate, loss (scheduling 5.3 as amended by its second page). It measures; the
// RateController decides.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "sched/slot.h"
#include "sched/units.h"

namespace wanbond {

/// What a report brings besides its slots.
struct ReportContext {
  Time now{};                   // our clock
  Duration written{};           // the receiver's clock when it wrote the report
  Duration reverse{};           // our clock minus the receiver's over the fastest way back
  BytesPerSecond capacity = 0;  // as the RateController has it
};

/// How D0 is kept. Frozen while competing for a full buffer: nobody sees the path empty then.
enum class BasePolicy : std::uint8_t { Follow, Frozen };

/// All delays hold the offset of the two clocks; it cancels in differences, and in a delay plus
/// `reverse`. Owned by the Bond, one per path.
class PathModel {
 public:
  /// A slot of a report, in any order; one that is known is ignored.
  void on_slot(Time now, const SlotReport& slot) noexcept;
  /// The receiver's counts of the present epoch: all packets of the path, whatever their kind, so
  /// that heartbeats and trains tell its loss before data flows.
  void on_counts(std::uint32_t largest, std::uint32_t packets) noexcept;
  /// What is lost until the next packet arrives is lost in an outage and says nothing of the path.
  void forgive() noexcept { is_forgiving_ = true; }
  /// After the slots of a report: brings all estimates up to date.
  void on_report(const ReportContext& context) noexcept;
  /// The path was away: forgets the queue and the loss of this round, keeps what lasts.
  void on_return(Time now) noexcept;
  void set_base_policy(BasePolicy policy) noexcept { base_policy_ = policy; }

  bool is_known() const noexcept { return floor() != kNone; }
  /// D0: one-way delay without a queue.
  Duration base() const noexcept;
  /// q: the least queueing delay of late.
  Duration queue() const noexcept { return queue_; }
  /// m: its mean.
  Duration queue_mean() const noexcept { return queue_mean_; }
  /// J, and Jx, which falls slowly.
  Duration jitter() const noexcept { return jitter_; }
  Duration jitter_peak() const noexcept { return jitter_peak_; }
  /// Jx >= 2 ms: the rate controller has to work by other means.
  bool is_jittery() const noexcept { return jitter_peak_ >= 2ms; }
  /// What to allow for jitter: Jx when jittery, else J.
  Duration spread() const noexcept { return is_jittery() ? jitter_peak_ : jitter_; }
  /// Round trip of a report over the empty path, reporting interval included.
  Duration round_trip() const noexcept { return round_trip_; }
  Duration queue_window() const noexcept { return queue_window_; }
  Duration rate_window() const noexcept { return rate_window_; }
  /// dr: rate at which full packets came out within the rate window.
  BytesPerSecond delivered() const noexcept { return delivered_; }
  /// A queue stood all the time: what is delivered is what the path can do.
  bool is_busy() const noexcept { return is_busy_; }
  /// Nearly all that arrived had waited for the gate: the flow would have used more.
  bool is_backlogged() const noexcept { return is_backlogged_; }
  /// More comes out than this machine could divide: it is the bottleneck, whatever seems to stand
  /// in the path.
  bool outruns_us() const noexcept { return outruns_us_; }
  /// When anything of ours arrived last, by the receiver's clock.
  Duration last_arrival() const noexcept {
    return slot_count_ == 0 ? Duration::min() : slots_[(slot_count_ - 1) % kSlotsMax].end;
  }
  /// The report had arrivals within the queue window.
  bool is_fresh() const noexcept { return is_fresh_; }
  /// la and laL: share of packets lost, over 3 s and over the last 3000 packets.
  double loss() const noexcept { return loss_; }
  double loss_long() const noexcept { return loss_long_; }
  /// Rounds of at least a round trip and 20 packets; the figures of the last one.
  std::uint32_t rounds() const noexcept { return rounds_; }
  /// Packets lost so far, as the counts tell.
  std::uint64_t lost_total() const noexcept { return lost_total_; }
  double last_round_loss() const noexcept { return last_round_loss_; }
  std::uint32_t last_round_lost() const noexcept { return last_round_lost_; }
  /// Delay of heartbeats on the idle path: mean and deviation; 0 with less than 10 of them.
  Duration quiet_deviation() const noexcept;
  Duration quiet_mean() const noexcept { return from_seconds(quiet_mean_s_); }

 private:
  static constexpr Duration kNone = Duration::max();
  static constexpr std::size_t kSlotsMax = 64;
  struct Window;

  Duration floor() const noexcept {
    return floor_now_ < floor_before_ ? floor_now_ : floor_before_;
  }
  void note_base(Time now, const SlotReport& slot) noexcept;
  void note_quiet(const SlotReport& slot) noexcept;
  void end_jitter_period(Time now, BytesPerSecond capacity) noexcept;
  void end_round(Time now) noexcept;
  Window look_back(Duration written, Duration span) const noexcept;
  void measure_queue(const ReportContext& context) noexcept;
  void measure_rate(Duration written) noexcept;

  std::array<SlotReport, kSlotsMax> slots_{};
  std::uint32_t slot_count_ = 0;
  std::uint16_t newest_slot_ = 0;

  BasePolicy base_policy_ = BasePolicy::Follow;
  Duration floor_now_ = kNone, floor_before_ = kNone;  // over 10 s each
  Time floor_since_{};
  Duration loaded_now_ = kNone, loaded_before_ = kNone;  // of backlogged packets, over 3 s each
  Time loaded_since_{};
  std::uint32_t loaded_count_ = 0;

  Duration queue_{}, queue_mean_{};
  Duration jitter_{}, jitter_peak_{};
  Duration jump_{};
  std::uint32_t jumps_ = 0, quiet_jumps_ = 0;
  Time jitter_since_{};
  Duration round_trip_ = 50ms, queue_window_ = 10ms, rate_window_ = 25ms;
  BytesPerSecond delivered_ = 0;
  bool is_busy_ = false, is_backlogged_ = false, is_fresh_ = false, outruns_us_ = false;
  Time reported_{};

  bool has_counts_ = false, is_forgiving_ = false;
  std::uint32_t counted_largest_ = 0, counted_packets_ = 0;
  std::uint32_t round_acknowledged_ = 0, round_lost_ = 0;
  std::uint64_t lost_total_ = 0;
  Time round_since_{};
  std::uint32_t rounds_ = 0, last_round_lost_ = 0;
  double last_round_loss_ = 0, loss_ = 0, loss_long_ = 0, loss_long_packets_ = 0;

  double quiet_mean_s_ = 0, quiet_variance_s2_ = 0;
  std::uint32_t quiet_count_ = 0;
};

}  // namespace wanbond
