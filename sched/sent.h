// SentLog: what was sent on one path and not acknowledged yet, by packet number. It says what is
// lost and what must be sent again when the path fails (protocol 3.4, scheduling 5.9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/sequence.h"
#include "base/time.h"

namespace wanbond {

/// One DATA under way. 16 bytes: one is written per packet.
struct SentSegment {
  static constexpr std::uint32_t kNothing = 0;  // no DATA, or settled
  static constexpr std::uint32_t kPlain = 1;    // DATA of which nothing is kept
  static constexpr std::uint32_t kKeptMin = 2;  // from here on: the number in RetainedPackets

  std::uint32_t packet = kNothing;
  std::uint32_t sent_us = 0;  // low 32 bits of the sending time in microseconds
  std::uint16_t segment = 0;  // of that packet
  std::uint16_t stream = 0;   // and its order there
  std::uint32_t sequence : 24 = 0;
  std::uint32_t flags : 8 = 0;  // the wire's

  bool is_live() const noexcept { return packet != kNothing; }
  bool is_kept() const noexcept { return packet >= kKeptMin; }
};

/// A ring by packet number that grows to kCountMax. Promise: a segment leaves it exactly once, as
/// acknowledged, lost, taken or given up.
class SentLog {
 public:
  /// At 1500 bytes 49 MB: 10 Gbit/s over 40 ms.
  static constexpr std::size_t kCountMax = 32768;
  /// Lost is what this many later numbers have overtaken (RFC 9002 6.1.1).
  static constexpr std::uint32_t kOvertakenMax = 3;

  /// DATA was sent under `number`, higher than any before. `number` must have room: see make_room.
  void push(Time now, std::uint32_t number, SentSegment segment) noexcept {
    if (number != next_ || next_ - base_ == entries_.size()) prepare(number);
    last_sent_ = now;
    segment.sent_us = to_us(now);
    entries_[number & (entries_.size() - 1)] = segment;
    next_ = number + 1;
    ++live_;
  }
  /// Gives up the oldest until `number` fits: each goes to give_up(const SentSegment&). To be
  /// called before push() when is_full_for().
  template <class GiveUp>
  void make_room(std::uint32_t number, GiveUp&& give_up) noexcept;
  bool is_full_for(std::uint32_t number) const noexcept {
    return number < next_ || number - base_ >= kCountMax;
  }

  /// The peer has received these, which were all sent, as DATA or as something that is not logged:
  /// each that is live goes to settle(const SentSegment&).
  template <class Settle>
  void on_acknowledged(Time now, NumberRange range, Settle&& settle) noexcept;
  /// After all runs of a report, and at next_timeout(): what is overtaken goes to lost(...). A
  /// hole with fewer than kOvertakenMax packets behind it waits for `patience` first.
  template <class Lost>
  void find_lost(Time now, Duration patience, Lost&& lost) noexcept;
  /// Everything goes to take(...): the path has failed.
  template <class Take>
  void take_all(Take&& take) noexcept {
    take_below(next_, take);
    hole_deadline_ = kNever;
  }

  /// All that is under way goes to look(SentSegment&), in the order of sending, until that returns
  /// false. It may change flags.
  template <class Look>
  void look_at(Look&& look) noexcept {
    for (std::uint32_t n = base_; n != next_; ++n)
      if (at(n).is_live() && !look(at(n))) return;
  }

  Time next_timeout() const noexcept { return hole_deadline_; }
  /// DATA under way.
  std::size_t live_count() const noexcept { return live_; }
  /// When the oldest DATA under way was sent; kNever: there is none.
  Time oldest_sent() const noexcept;
  /// When something was acknowledged last.
  Time last_progress() const noexcept { return last_progress_; }
  /// The number behind the last one pushed.
  std::uint32_t next_number() const noexcept { return next_; }

 private:
  static constexpr std::size_t kCountMin = 256;
  static std::uint32_t to_us(Time now) noexcept {
    return static_cast<std::uint32_t>(now.time_since_epoch() / 1us);
  }
  SentSegment& at(std::uint32_t number) noexcept {
    return entries_[number & (entries_.size() - 1)];
  }
  const SentSegment& at(std::uint32_t number) const noexcept {
    return entries_[number & (entries_.size() - 1)];
  }
  void prepare(std::uint32_t number) noexcept;
  void grow(std::size_t count) noexcept;
  void advance() noexcept;
  template <class Take>
  void take_below(std::uint32_t end, Take&& take) noexcept;

  std::vector<SentSegment> entries_;  // a power of two, [base_, next_) is in use
  std::uint32_t base_ = 0;            // the oldest live one, or next_
  std::uint32_t next_ = 0;
  std::uint32_t acknowledged_end_ = 0;  // behind the highest acknowledged number
  std::size_t live_ = 0;
  std::uint32_t hole_end_ = 0;  // what is live below this at hole_deadline_ is lost
  Time hole_deadline_ = kNever;
  Time last_sent_{};
  Time last_progress_{};
};

template <class Take>
void SentLog::take_below(std::uint32_t end, Take&& take) noexcept {
  for (; base_ < end; ++base_) {
    SentSegment& entry = at(base_);
    if (!entry.is_live()) continue;
    const SentSegment taken = entry;
    entry = {};
    --live_;
    take(taken);
  }
  advance();
}

template <class GiveUp>
void SentLog::make_room(std::uint32_t number, GiveUp&& give_up) noexcept {
  if (number < next_ || number - next_ >= kCountMax) {  // counted anew, or a long silence
    take_below(next_, give_up);
    base_ = next_ = number;
    acknowledged_end_ = hole_end_ = 0;
  }
  if (number - base_ >= kCountMax)
    take_below(number - static_cast<std::uint32_t>(kCountMax) + 1, give_up);
}

template <class Settle>
void SentLog::on_acknowledged(Time now, NumberRange range, Settle&& settle) noexcept {
  if (range.last < base_) return;  // old news
  const std::size_t before = live_;
  const std::uint32_t end = range.last < next_ ? range.last + 1 : next_;
  for (std::uint32_t n = range.first > base_ ? range.first : base_; n < end; ++n) {
    SentSegment& entry = at(n);
    if (!entry.is_live()) continue;
    settle(entry);
    entry = {};
    --live_;
  }
  if (live_ < before) last_progress_ = now;
  if (range.last + 1 > acknowledged_end_) acknowledged_end_ = range.last + 1;
  advance();
}

template <class Lost>
void SentLog::find_lost(Time now, Duration patience, Lost&& lost) noexcept {
  if (acknowledged_end_ > kOvertakenMax) {
    const std::uint32_t end = acknowledged_end_ - kOvertakenMax;
    take_below(end < next_ ? end : next_, lost);
  }
  if (now >= hole_deadline_) {
    hole_deadline_ = kNever;
    take_below(hole_end_ < next_ ? hole_end_ : next_, lost);
  }
  if (live_ == 0 || base_ >= acknowledged_end_) {
    hole_deadline_ = kNever;
  } else if (hole_deadline_ == kNever) {
    hole_deadline_ = now + patience;
    hole_end_ = acknowledged_end_;
  }
}

}  // namespace wanbond
