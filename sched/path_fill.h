// PathFill: how full a path is, by what is sent on it and by the signs that it takes no more. What
// rules of mode overflow go by; it needs no configured rate and no bond.
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "base/time.h"

namespace wanbond {

/// What is known of a path at one moment.
struct FillSample {
  std::uint64_t sent_bytes = 0;  // so far, UDP payload
  bool has_queue = false;        // packets of ours wait in the path, or for it
  BitRate delivered{};           // in the last second with traffic, by the peer's reports
  std::uint32_t loss_ppm = 0;    // in the same
};

/// Judges a path once a second. It overruns when a queue of ours stood for half of that second, or
/// a tenth was lost; what it delivered then is its capacity, for a minute, or until more passes
/// without a queue. Above 95 % of its capacity it is full, below 75 % it is calm.
class PathFill {
 public:
  /// To be called often: the queue counts for as long as the samples say.
  void update(Time now, const FillSample& sample) noexcept;

  bool is_full() const noexcept { return full_since_ != kNever; }
  /// kNever: it is not full.
  Time full_since() const noexcept { return full_since_; }
  /// kNever: it is not calm.
  Time calm_since() const noexcept { return calm_since_; }
  /// Sent in the last second.
  BitRate rate() const noexcept { return rate_; }
  /// 0: not known.
  BitRate capacity() const noexcept { return capacity_; }

 private:
  void judge(Time now, bool stood, const FillSample& sample) noexcept;

  Time since_ = kNever;  // of the second that is being measured
  Time sampled_{};
  std::uint64_t base_bytes_ = 0;
  bool had_queue_ = false;
  Duration queued_{};
  BitRate rate_{}, capacity_{};
  Time overrun_{};  // last
  Time full_since_ = kNever;
  Time calm_since_{};
};

}  // namespace wanbond
