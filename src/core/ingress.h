// Ingress: WAN to LAN for one peer: opens a datagram and says what is in it. Stations 4 and 5 of
// the way in; nothing of the datagram is believed before its tag and its number were good.
#pragma once

#include <optional>
#include <variant>

#include "base/bytes.h"
#include "base/time.h"
#include "core/drop_reason.h"
#include "core/path.h"
#include "crypto/keyring.h"
#include "proto/frames.h"
#include "proto/wire.h"

namespace wanbond {

/// An inner packet with room for a virtio header in front, both within the datagram; or a void.
struct InnerArrival {
  MutableBytes room;  // empty: void
  std::uint16_t stamp = 0;
  std::uint16_t stream = 0;
  std::uint32_t sequence = 0;
  std::uint8_t flags = 0;
};

/// Frames of a CTRL, all well-formed.
struct ControlArrival {
  FrameReader frames;
  std::uint16_t stamp = 0;
};

/// What one authentic datagram was.
struct OpenedDatagram {
  bool newest = false;    // the highest number of its path so far
  bool promoted = false;  // its keys are the current ones from now on
  std::variant<std::monostate, InnerArrival, ControlArrival> content;  // monostate: nothing to do
};

/// Owned by the session; keeps no state of its own.
class Ingress {
 public:
  Ingress(Keyring& keyring, DropCounters& drops) noexcept : keyring_(keyring), drops_(drops) {}

  /// Opens `datagram` in place under the epoch that its connection id stands for. None, and
  /// counted, when it is forged, replayed or too old. A malformed content of an authentic datagram
  /// is counted and gives monostate.
  std::optional<OpenedDatagram> open(Time now, EpochId epoch, const Header& header,
                                     MutableBytes datagram) noexcept;

 private:
  Keyring& keyring_;
  DropCounters& drops_;
};

}  // namespace wanbond
