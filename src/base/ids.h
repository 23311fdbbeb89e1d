// Strong ids: a path number cannot be passed where a peer number is meant.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace wanbond {

/// An integer that is only comparable with its own kind. `Tag` is never defined.
template <class Tag, class Rep>
struct StrongId {
  Rep value{};
  friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
};

/// Index of a peer in the node's configuration.
using PeerId = StrongId<struct PeerTag, std::uint16_t>;
/// Paths of one session: 6 bits of the connection id (protocol 1.1), 8 WANs against 8 addresses.
inline constexpr std::size_t kPathCountMax = 64;
/// A path within a session, below kPathCountMax.
using PathId = StrongId<struct PathTag, std::uint8_t>;
/// Index of a WAN's UDP socket, the same in the core, the I/O and the configuration.
using SocketId = StrongId<struct SocketTag, std::uint16_t>;

/// Bits per second.
struct BitRate {
  std::uint64_t bits_per_second = 0;
  friend constexpr auto operator<=>(const BitRate&, const BitRate&) = default;
};

}  // namespace wanbond
