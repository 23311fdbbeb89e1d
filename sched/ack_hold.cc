#include "sched/ack_hold.h"

#include <algorithm>

#include "base/sequence.h"
#include "sched/units.h"

namespace wanbond {
namespace {

// Packets that leave within this time count as one.
constexpr Duration kMarkEvery = 500us;
// Acknowledgements leave on a grid: a train of them within 2 ms of each other would end slow start
// (HyStart).
constexpr Duration kGrid = 2500us;
// The first window comes back as a lump, and doubles as a lump: its acknowledgements are spread.
constexpr double kSpreadBytes = 10 * kFullBytes, kSpreadFrom = 2 * kFullBytes, kSpreadShare = 0.5;

}  // namespace

void AckHold::on_sent(Time now, std::uint32_t begin, std::uint32_t end) noexcept {
  if (next_ == 0) begin_ = begin;
  if (next_ != first_) {
    Mark& last = at(next_ - 1);
    if (serial_distance<32>(end, last.end) <= 0) {
      resent_ = now;
      return;
    }
    if (now - last.sent < kMarkEvery) {
      last.end = end;
      return;
    }
  }
  if (next_ - first_ == kMarks) ++first_;
  at(next_++) = {end, now};
}

Time AckHold::release(Time now, std::uint32_t end, Duration round_trip) noexcept {
  while (first_ != next_ && serial_distance<32>(end, at(first_).end) > 0)
    newest_ = at(first_++).sent;
  if (first_ != next_) newest_ = at(first_).sent;
  const double answered = is_beginning_ ? serial_distance<32>(end, begin_) : 0;
  const bool is_noted = next_ > 0 && (!is_beginning_ || answered > 0);
  if (round_trip <= Duration{} || !is_noted) return last_ = std::max(last_, now);
  Time due = newest_ + round_trip;
  // Its answer would tell the sender, by its time stamp, how short the way really is.
  if (resent_ != Time{}) due = std::max(due, resent_ + round_trip);
  is_beginning_ = from_ == HoldFrom::Start && is_beginning_ && answered <= kSpreadBytes;
  if (is_beginning_ && answered > kSpreadFrom)
    due += scaled(round_trip, kSpreadShare * (answered - kSpreadFrom) / kSpreadBytes);
  if (due <= now) due = now;
  const Duration since = due.time_since_epoch();
  due = Time{(since + kGrid - Duration{1}) / kGrid * kGrid};
  last_ = std::max(last_, due);
  return last_;
}

}  // namespace wanbond
