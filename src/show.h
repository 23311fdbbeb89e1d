// `wanbond show` for people: one block per peer, one line per path.
#pragma once

#include <cstdint>
#include <string>

#include "instance_status.h"

namespace wanbond {

enum class Colours : std::uint8_t { Off, On };

/// Several lines of text. Colours are terminal escapes around states.
std::string status_table(const InstanceStatus& status, Colours colours);

}  // namespace wanbond
