// What a node reports about itself. Values only; the program words them for people.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"
#include "base/time.h"

namespace wanbond {

/// A path's life (protocol 3.1).
enum class PathState : std::uint8_t { Candidate, Validating, Up, Suspect, Down };

/// "up", as in `show`.
std::string_view to_string(PathState state) noexcept;

enum class EventKind : std::uint8_t {
  PeerUp,        // the first usable path; routes to the peer may be set
  PeerDown,      // no usable path is left
  KeysChanged,   // a handshake was completed; everything is sent under the new keys
  PathAdded,     // configured or learned
  PathState,     // `from` -> `to`
  PathMoved,     // the peer's address on this path changed and was validated
  PathSize,      // the largest datagram that it carries is known now, or has changed
  PathSelected,  // `flows` of the peer use this path from now on
  PathRemoved
};

/// Why it happened.
enum class Cause : std::uint8_t {
  None,
  Start,           // configuration
  Silence,         // detection time passed without a sign of life
  Unacknowledged,  // what was sent is not acknowledged in time
  PeerSaysDown,    // the peer's BFD session went Down
  AdminDown,       // by hand, here or there
  NoAnswer,        // path validation timed out
  Answered,        // path validation and BFD succeeded
  SignOfLife,      // a suspect path delivered again
  PeerRestarted,   // a new boot id
  PeerClosed,      // the peer said goodbye
  SendRefused,     // the kernel refuses to send (no route, device gone, not permitted)
  WanLost,         // the WAN's device, carrier or address vanished
  PeerLostWan,     // the same at the peer's side
  LessDelay,       // a better path came up or the old one got slow
  Failover,        // the path in use became unusable
  Revert,          // the preferred path is usable again
  KeysExpired,     // no handshake for 180 s
  DuplicatePath,   // another path has the same pair of addresses
  AddressGone,     // the peer, or its name, does not have this address any more
  PeerAbandoned,   // the peer gave the path up
  TooSmall         // the path does not carry the smallest datagram that data needs
};

/// "no sign of life", as in `wanbond events`.
std::string_view to_string(Cause cause) noexcept;

/// Flows by what happens to a packet that is lost with its path: it is sent again (TCP), or not.
/// Only the second kind keeps away from a path that flaps.
enum class FlowCare : std::uint8_t { Repaired, Plain, All };

/// "all", as in `wanbond events`.
std::string_view to_string(FlowCare care) noexcept;

/// One state change. Fields that the kind does not need keep their defaults; times that did not
/// come to be are kNever.
struct Event {
  Time at{};               // when it was decided
  Time detected = kNever;  // PathState, PathSelected: the first sign of what led to it
  Time told = kNever;      // PathState: the peer was told of it first
  Time switched = kNever;  // the flows that used the path had left it, or use it now
  EventKind kind{};
  Cause cause{};
  PeerId peer;
  PathId path;
  wanbond::PathState from{};
  wanbond::PathState to{};
  Duration silence{};               // time since the last sign of life on the path
  std::uint16_t payload_bytes = 0;  // PathSize: of UDP
  FlowCare flows = FlowCare::All;   // PathSelected
};

}  // namespace wanbond
