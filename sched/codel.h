// Codel: decides for one flow which packets are dropped or marked (RFC 8289), fed not with the
// sojourn but with its excess over what look-ahead needs (scheduling 5.7).
#pragma once

#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// What the flows of a moment have in common.
struct CodelSettings {
  Duration target = 5ms;
  Duration interval = 100ms;
  Duration patience{};  // above the target before the first action; 0: the interval
};

/// RFC 8289 5 as a question: is this one to be dropped?
class Codel {
 public:
  /// A packet leaves with `excess` over the delay that it needed; `is_short`: less than two full
  /// packets wait behind it.
  bool should_drop(Time now, Duration excess, bool is_short,
                   const CodelSettings& settings) noexcept;

 private:
  bool is_above(Time now, Duration excess, bool is_short, const CodelSettings& settings) noexcept;
  void schedule(Time from, Duration interval) noexcept;

  Time above_since_ = kNever;  // when dropping may begin; kNever: not above
  Time next_ = kNever;
  std::uint32_t count_ = 0, last_count_ = 0;
  bool is_dropping_ = false;
};

}  // namespace wanbond
