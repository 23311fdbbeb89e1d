// `wanbond show --json`: stable names with SI units in them, described in wanbond(8).
#pragma once

#include <string>

#include "instance_status.h"

namespace wanbond {

/// The number goes up when a name changes its meaning or goes away.
inline constexpr int kStatusSchema = 1;

/// One JSON object and a line feed.
std::string status_json(const InstanceStatus& status);

}  // namespace wanbond
