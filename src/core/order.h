// What somebody wants of a path by hand (wanbond(8), set).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wanbond {

enum class PathOrder : std::uint8_t {
  Up,      ///< as configured
  Backup,  ///< ranks behind every priority, before metered ones
  Drain,   ///< works, but carries nothing new while another path does
  Down,    ///< not used and not probed (AdminDown); no failure
};

/// "up", "backup", "drain", "down"; as in `wanbond set`.
std::string_view to_string(PathOrder order) noexcept;
/// None for any other word.
std::optional<PathOrder> parse_path_order(std::string_view word) noexcept;

}  // namespace wanbond
