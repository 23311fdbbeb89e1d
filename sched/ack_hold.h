// AckHold: lets the sender of one flow see a constant round trip while its packets take paths of
// different length: pure acknowledgements wait at the sender's gateway, data never waits at the
// receiver's (second page of the scheduling design, 2). One per held flow.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// Whether a flow is held from its first packet on.
enum class HoldFrom : std::uint8_t { Start, Midst };

/// Promise: an acknowledgement leaves at the first transmission of the newest data that it answers
/// plus the given round trip, or at once if that has passed or was not noted, on a grid of 2.5 ms;
/// never before an earlier one. Those of a flow's first ten packets are spread over half a round
/// trip more.
class AckHold {
 public:
  explicit AckHold(HoldFrom from = HoldFrom::Start) noexcept : from_(from) {}

  /// The flow's data from `begin` up to `end` (its own sequence numbers) goes out. For a round trip
  /// after something that went out before, all acknowledgements wait for the end of that.
  void on_sent(Time now, std::uint32_t begin, std::uint32_t end) noexcept;
  /// When an acknowledgement that answers data up to `end` is to be handed to the sender; at once,
  /// but in order, with a round trip of 0.
  Time release(Time now, std::uint32_t end, Duration round_trip) noexcept;

 private:
  static constexpr std::size_t kMarks = 2048;
  struct Mark {
    std::uint32_t end = 0;
    Time sent{};
  };
  Mark& at(std::uint32_t index) noexcept { return marks_[index % kMarks]; }

  std::array<Mark, kMarks> marks_{};  // [first_, next_), both numbers rise
  std::uint32_t first_ = 0, next_ = 0;
  std::uint32_t begin_ = 0;   // sequence number before the first data
  bool is_beginning_ = true;  // of what was noted only the first has been answered
  HoldFrom from_;
  Time newest_{};  // sending time of the newest data answered
  Time last_{};    // the last release
  Time resent_{};  // when the host last sent something again; Time{}: never
};

}  // namespace wanbond
