// Arithmetic of rates, which are bytes per second as double throughout the scheduler: estimates,
// not counters.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// A rate or an estimate of one.
using BytesPerSecond = double;

constexpr double seconds(Duration duration) noexcept {
  return static_cast<double>(duration.count()) * 1e-9;
}
constexpr Duration from_seconds(double seconds) noexcept {
  return Duration(static_cast<Duration::rep>(seconds * 1e9));
}
constexpr Duration scaled(Duration duration, double factor) noexcept {
  return Duration(static_cast<Duration::rep>(static_cast<double>(duration.count()) * factor));
}
/// How long `bytes` take at `rate`, which is above 0.
constexpr Duration time_for(double bytes, BytesPerSecond rate) noexcept {
  return from_seconds(bytes / rate);
}

/// What the scheduler takes for a full packet where the exact size does not matter.
inline constexpr double kFullBytes = 1500;
/// From here on a packet counts as full when rates are measured.
inline constexpr std::uint16_t kFullBytesMin = 1000;

}  // namespace wanbond
