#include "sched/slot.h"

#include <algorithm>

#include "sched/units.h"

namespace wanbond {
namespace {

// Two full packets further apart are not compared, nor two heartbeats.
constexpr Duration kStepMax = 30ms;
constexpr Duration kSmallStepMax = 45ms;
// A path is idle so long after data; heartbeats closer together than this say nothing new.
constexpr Duration kQuietAfter = 60ms;
constexpr Duration kQuietApart = 15ms;
// A slot younger than this stays open when a report goes out.
constexpr Duration kYoung = 2ms;

}  // namespace

void SlotMeter::on_packet(const SlotArrival& arrival) noexcept {
  if (is_open_ && arrival.at - open_since_ >= kSlot) close();
  if (!is_open_) {
    is_open_ = true;
    open_ = {};
    open_since_ = arrival.at;
    delay_sum_ = {};
    open_.delay_min = arrival.delay;
  }
  const bool is_data =
      arrival.kind == ArrivalKind::Plain || arrival.kind == ArrivalKind::Backlogged;
  const bool is_full = is_data && arrival.bytes >= kFullBytesMin;
  ++open_.packets;
  open_.end = arrival.at;
  open_.delay_min = std::min(open_.delay_min, arrival.delay);
  delay_sum_ += arrival.delay;
  note_step(arrival, is_full);
  if (arrival.kind == ArrivalKind::Probe) probe_at_ = arrival.at;
  if (!is_full) return;
  if (open_.full_packets++ == 0) {
    open_.first = arrival.at;
    first_delay_ = arrival.delay;
    open_.first_bytes = arrival.bytes;
  }
  open_.last = arrival.at;
  open_.full_bytes += arrival.bytes;
  if (arrival.kind != ArrivalKind::Backlogged) return;
  open_.backlogged_bytes += arrival.bytes;
  open_.backlogged_delay_min = std::min(open_.backlogged_delay_min, arrival.delay);
}

// Jitter is learnt from steps between neighbours: the spread over a longer time would hold the
// growth of our own queue.
void SlotMeter::note_step(const SlotArrival& arrival, bool is_full) noexcept {
  if (is_full) {
    if (arrival.at - full_at_ < kStepMax) {
      open_.jump = std::max(open_.jump, arrival.delay - full_delay_);
      ++open_.jumps;
    }
    full_at_ = arrival.at;
    full_delay_ = arrival.delay;
    small_at_ = kLongAgo;
    return;
  }
  if (arrival.kind != ArrivalKind::Control) return;
  const bool is_quiet = arrival.at - full_at_ > kQuietAfter &&
                        arrival.at - probe_at_ > kQuietAfter &&
                        arrival.at - quiet_at_ >= kQuietApart;
  if (is_quiet && arrival.at - small_at_ < kSmallStepMax) {
    open_.jump = std::max(open_.jump, arrival.delay - small_delay_);
    ++open_.jumps;
    ++open_.quiet;
    open_.quiet_delay = arrival.delay;
    quiet_at_ = arrival.at;
  }
  small_at_ = arrival.at;
  small_delay_ = arrival.delay;
}

void SlotMeter::close() noexcept {
  open_.number = next_number_++;
  open_.delay_mean = delay_sum_ / open_.packets;
  // A queue that drains shortens the way, too, but by less than half.
  const Duration shorter = first_delay_ - full_delay_;
  if (open_.full_packets > 1 && shorter > open_.last - open_.first) open_.first -= shorter;
  if (closed_count_ == kRepeated)
    std::move(closed_.begin() + 1, closed_.end(), closed_.begin());
  else
    ++closed_count_;
  closed_[closed_count_ - 1] = open_;
  is_open_ = false;
}

std::span<const SlotReport> SlotMeter::report(Duration now) noexcept {
  if (is_open_ && now - open_since_ >= kYoung) close();
  return {closed_.data(), closed_count_};
}

}  // namespace wanbond
