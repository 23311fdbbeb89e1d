#include "sched/path_model.h"

#include <algorithm>
#include <cmath>

#include "base/sequence.h"

namespace wanbond {
namespace {

constexpr Duration kFloorBucket = 10s;
constexpr Duration kLoadedBucket = 3s;
constexpr std::uint32_t kLoadedMin = 20;  // packets, before a loaded bucket counts
constexpr Duration kReportInterval = 6ms;
constexpr Duration kJitterPeriod = 100ms;
constexpr Duration kJitterMax = 40ms;
constexpr Duration kJitterFree = 500us;  // steps of this size are batches, not jitter
constexpr double kJitterPeakDecay = 0.99;
constexpr Duration kRoundMin = 50ms;
constexpr std::uint32_t kRoundPackets = 20;
constexpr double kLossTime = 3.0;  // seconds
constexpr double kLossLongPackets = 3000;
constexpr Duration kBusyMin = 1ms;
constexpr double kBacklogged = 0.85;
// A thread seals 3 to 4 Gbit/s: two links above 1.2 Gbit/s give it no more than one does.
constexpr BytesPerSecond kOurs = 150e6;
constexpr double kQuietWeightMin = 0.02;
constexpr std::uint32_t kQuietMin = 10;

}  // namespace

/// Sums over the slots of a time span.
struct PathModel::Window {
  Duration delay_min = kNone;
  double delay_sum_s = 0;
  std::uint32_t packets = 0, full = 0;
  std::uint64_t bytes = 0, backlogged = 0;
  std::uint32_t first_bytes = 0;
  Duration first{}, last{};
};

Duration PathModel::base() const noexcept {
  const Duration loaded = std::min(loaded_now_, loaded_before_);
  if (!is_jittery() || loaded == kNone || floor() == kNone) return floor();
  return std::max(floor(), loaded);
}

void PathModel::on_slot(Time now, const SlotReport& slot) noexcept {
  if (slot_count_ > 0 && serial_distance<16>(slot.number, newest_slot_) <= 0) return;
  newest_slot_ = slot.number;
  slots_[slot_count_++ % kSlotsMax] = slot;
  note_base(now, slot);
  jump_ = std::max(jump_, slot.jump);
  jumps_ += slot.jumps;
  quiet_jumps_ += slot.quiet;
  if (slot.quiet > 0) note_quiet(slot);
}

void PathModel::note_base(Time now, const SlotReport& slot) noexcept {
  if (base_policy_ == BasePolicy::Frozen) floor_since_ = now;
  if (now - floor_since_ > kFloorBucket) {
    floor_before_ = floor_now_;
    floor_now_ = kNone;
    floor_since_ = now;
  }
  floor_now_ = std::min(floor_now_, slot.delay_min);
  if (now - loaded_since_ > kLoadedBucket && loaded_count_ >= kLoadedMin) {
    loaded_before_ = loaded_now_;
    loaded_now_ = kNone;
    loaded_since_ = now;
    loaded_count_ = 0;
  }
  if (slot.backlogged_delay_min == kNone) return;
  loaded_now_ = std::min(loaded_now_, slot.backlogged_delay_min);
  loaded_count_ += slot.full_packets;
}

void PathModel::note_quiet(const SlotReport& slot) noexcept {
  const double delay = seconds(slot.quiet_delay);
  if (quiet_count_++ == 0) {
    quiet_mean_s_ = delay;
    return;
  }
  const double weight = std::max(kQuietWeightMin, 1.0 / quiet_count_);
  const double error = delay - quiet_mean_s_;
  quiet_mean_s_ += weight * error;
  quiet_variance_s2_ += weight * (error * error - quiet_variance_s2_);
}

Duration PathModel::quiet_deviation() const noexcept {
  return quiet_count_ < kQuietMin ? Duration{} : from_seconds(std::sqrt(quiet_variance_s2_));
}

void PathModel::end_jitter_period(Time now, BytesPerSecond capacity) noexcept {
  if (now - jitter_since_ <= kJitterPeriod) return;
  if (jumps_ >= 10 || quiet_jumps_ >= 4) {
    // Two packets that leave together arrive one serialisation time apart.
    const Duration line =
        jumps_ > quiet_jumps_ ? time_for(kFullBytes, std::max(capacity, 1e4)) : Duration{};
    const Duration step = std::clamp(jump_ - line - kJitterFree, Duration{}, kJitterMax);
    jitter_ += (step - jitter_) / 5;
  }
  jitter_peak_ = std::max(jitter_, scaled(jitter_peak_, kJitterPeakDecay));
  jump_ = {};
  jumps_ = quiet_jumps_ = 0;
  jitter_since_ = now;
}

void PathModel::on_counts(std::uint32_t largest, std::uint32_t packets) noexcept {
  const std::uint32_t sent = largest - counted_largest_, arrived = packets - counted_packets_;
  const bool goes_on = has_counts_ && largest >= counted_largest_ && packets >= counted_packets_;
  if (goes_on && sent == 0) return;
  if (goes_on && !is_forgiving_) {
    round_acknowledged_ += std::min(arrived, sent);
    round_lost_ += sent - std::min(arrived, sent);
    lost_total_ += sent - std::min(arrived, sent);
  }
  has_counts_ = true;
  is_forgiving_ = false;
  counted_largest_ = largest;
  counted_packets_ = packets;
}

void PathModel::end_round(Time now) noexcept {
  const std::uint32_t packets = round_acknowledged_ + round_lost_;
  const Duration length = std::max(round_trip_, kRoundMin);
  if (now - round_since_ <= length || packets < kRoundPackets) return;
  last_round_loss_ = static_cast<double>(round_lost_) / packets;
  last_round_lost_ = round_lost_;
  loss_long_packets_ = std::min(loss_long_packets_ + packets, kLossLongPackets);
  loss_long_ += packets / loss_long_packets_ * (last_round_loss_ - loss_long_);
  loss_ += std::min(1.0, seconds(length) / kLossTime) * (last_round_loss_ - loss_);
  round_acknowledged_ = round_lost_ = 0;
  round_since_ = now;
  ++rounds_;
}

PathModel::Window PathModel::look_back(Duration written, Duration span) const noexcept {
  Window window;
  const std::uint32_t count = std::min<std::uint32_t>(slot_count_, kSlotsMax);
  for (std::uint32_t i = 1; i <= count; ++i) {
    const SlotReport& slot = slots_[(slot_count_ - i) % kSlotsMax];
    if (slot.end < written - span) break;
    window.delay_min = std::min(window.delay_min, slot.delay_min);
    window.delay_sum_s += seconds(slot.delay_mean) * slot.packets;
    window.packets += slot.packets;
    if (slot.full_packets == 0) continue;
    if (window.full == 0) window.last = slot.last;
    window.full += slot.full_packets;
    window.bytes += slot.full_bytes;
    window.backlogged += slot.backlogged_bytes;
    window.first = slot.first;
    window.first_bytes = slot.first_bytes;
  }
  return window;
}

void PathModel::measure_queue(const ReportContext& context) noexcept {
  const Window window = look_back(context.written, queue_window_);
  is_fresh_ = window.packets > 0;
  if (is_fresh_) {
    const Duration mean = from_seconds(window.delay_sum_s / window.packets) - base();
    queue_mean_ = std::max(Duration{}, queue_mean_ + (mean - queue_mean_) / 10);
    queue_ = std::max(Duration{}, window.delay_min - base());
  } else {
    queue_ = std::max(Duration{}, queue_ - (context.now - reported_));  // it drains unseen
  }
}

void PathModel::measure_rate(Duration written) noexcept {
  const Window window = look_back(written, rate_window_);
  const Duration stand = std::max(kBusyMin, scaled(spread(), 0.3));
  is_busy_ = window.full >= 4 && window.delay_min - base() >= stand;
  is_backlogged_ = window.full >= 6 && static_cast<double>(window.backlogged) >
                                           kBacklogged * static_cast<double>(window.bytes);
  if (window.full >= 6 && window.last > window.first)
    delivered_ = static_cast<double>(window.bytes - window.first_bytes) /
                 seconds(window.last - window.first);
  const bool is_lasting = window.last - window.first >= rate_window_ / 2;
  outruns_us_ = window.full >= 6 && is_lasting && delivered_ > kOurs;
}

void PathModel::on_report(const ReportContext& context) noexcept {
  if (!is_known()) return;
  end_jitter_period(context.now, context.capacity);
  round_trip_ = std::max(Duration{1ms}, base() + context.reverse + kReportInterval);
  queue_window_ =
      std::min<Duration>(std::max({Duration{10ms}, round_trip_ / 8, 3 * spread()}), 80ms);
  rate_window_ = std::max({Duration{25ms}, std::min<Duration>(100ms, round_trip_ / 2),
                           std::min<Duration>(10 * spread(), 200ms)});
  measure_queue(context);
  measure_rate(context.written);
  end_round(context.now);
  reported_ = context.now;
}

void PathModel::on_return(Time now) noexcept {
  queue_ = queue_mean_ = {};
  jitter_ = {};
  forgive();
  round_acknowledged_ = round_lost_ = 0;
  round_since_ = jitter_since_ = now;
  is_busy_ = is_backlogged_ = is_fresh_ = false;
}

}  // namespace wanbond
