// BondStatus: a path as the bond of its peer sees it, for `show` and the metrics.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace wanbond {

/// What the bond believes that the path can do, in our direction.
struct BondStatus {
  enum class State : std::uint8_t {
    Alone,      // there is no bond: one path takes everything
    Out,        // others are better by rank, or it is not usable
    Suspended,  // nothing new until it is known to work
    In,
    Competing,  // in, and sharing its link with other traffic
  };
  State state = State::Alone;
  std::uint64_t capacity_bits = 0;  // per second, with datagram headers; 0: not known
  std::uint64_t rate_bits = 0;      // it is fed with at present
  Duration queue{};                 // in its link, of our packets
  std::uint32_t loss_ppm = 0;       // of the last 3000 packets
  std::uint32_t share_ppm = 0;      // of the capacity of all paths that are in
};

/// "alone", "out", "suspended", "in", "competing".
std::string_view to_string(BondStatus::State state) noexcept;

}  // namespace wanbond
