// PathUse: whether a path takes flows now, and if not, why, for `show`, `top` and `explain`.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"
#include "core/bond_status.h"
#include "sched/failover.h"

namespace wanbond {

class Path;

struct PathUse {
  enum class Why : std::uint8_t {
    Used,
    Unproven,  // its address has not answered yet
    Down,
    TooSmall,   // it does not carry the smallest packets that are asked of it
    Suspect,    // what was sent is not acknowledged, or the peer says so
    Drained,    // by hand, here or at the peer
    HeldBack,   // it has failed too often
    Metered,    // others work
    Backup,     // others of a better priority work
    Suspended,  // nothing new comes back from it
    Slower,     // another one has less delay, and there is no bond
    Surplus,    // eight others are in the bond
  };
  Why why{};
  Duration held{};  // HeldBack: for so much longer
};

/// What a path is judged by, beside itself.
struct UseContext {
  Time now{};
  PathView best;          // of all paths of the peer, by usability and then rank
  bool selected = false;  // what needs no order takes it
  bool metered = false;   // its WAN is
  BondStatus bond;
};

PathUse path_use(const Path& path, const UseContext& context) noexcept;

/// "used", "unproven", "down", "too_small", "suspect", "drained", "held_back", "metered",
/// "backup", "suspended", "slower", "surplus".
std::string_view to_string(PathUse::Why why) noexcept;

}  // namespace wanbond
