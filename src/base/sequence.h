// Wrapping numbers of the wire, compared by signed distance (RFC 1982 serial arithmetic).
#pragma once

#include <cstdint>

namespace wanbond {

/// Signed distance `a - b` on a ring of 2^kBits; correct while the two are less than half the
/// ring apart.
template <unsigned kBits>
constexpr std::int32_t serial_distance(std::uint32_t a, std::uint32_t b) noexcept {
  static_assert(kBits >= 2 && kBits <= 32);
  const std::uint32_t shifted = (a - b) << (32 - kBits);
  return static_cast<std::int32_t>(shifted) >> (32 - kBits);
}

/// 24-bit order number of a stream (protocol 1.5).
constexpr std::int32_t sequence_distance(std::uint32_t a, std::uint32_t b) noexcept {
  return serial_distance<24>(a, b);
}

/// A run of packet numbers, both ends included.
struct NumberRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  friend constexpr bool operator==(const NumberRange&, const NumberRange&) = default;
};

/// 16-bit wire time stamps in units of 32.768 us (protocol 1.5).
constexpr std::int32_t stamp_distance(std::uint16_t a, std::uint16_t b) noexcept {
  return serial_distance<16>(a, b);
}

}  // namespace wanbond
