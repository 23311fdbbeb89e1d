// Every discarded packet has a reason; each is counted and shown.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wanbond {

enum class DropReason : std::uint8_t {
  // From a WAN, before anything is believed (protocol 1.1, 2.8).
  Malformed,          // unknown type, wrong length, wrong version, nonzero reserved field
  UnknownConnection,  // no key epoch has this connection id
  BadMac,             // handshake message without a right mac1 or mac2
  RateLimited,        // handshake message over a limit, or the handshake queue is full
  UnknownPeer,        // handshake of a key that is not configured, or that does not verify
  CipherMismatch,     // handshake without a cipher that both sides allow
  StaleHandshake,     // old time stamp, or an answer to nothing that was asked
  BadTag,             // does not authenticate
  Replayed,           // number seen before or older than the window
  Expired,            // under a key that is too old
  BadFrame,           // authenticated, but its content does not parse
  // From a WAN, authenticated.
  InnerMalformed,    // not an IPv4 or IPv6 packet
  SourceNotAllowed,  // inner source outside the peer's AllowedIPs
  MarkedCe,          // congestion mark outside on a packet whose sender knows none (RFC 6040)
  Duplicate,         // sent twice by the peer for safety; the other one has arrived
  // From the LAN.
  NoRoute,  // no peer has this destination
  NoPath,   // the peer has no usable path, or none that its rule allows
  TooBig,   // larger than the path carries
  Rule,     // a [Rule] says drop
  // Own limits.
  NoBuffer,    // the packet pool is empty
  QueueFull,   // an output queue is full
  SendFailed,  // the kernel refused the datagram
  Count
};

inline constexpr std::size_t kDropReasonCount = static_cast<std::size_t>(DropReason::Count);

/// The name in `show`, JSON and metrics: "unknown_connection".
std::string_view to_string(DropReason reason) noexcept;

/// Packets dropped since start, by reason.
class DropCounters {
 public:
  void add(DropReason reason, std::uint64_t count = 1) noexcept {
    counts_[static_cast<std::size_t>(reason)] += count;
  }
  std::uint64_t of(DropReason reason) const noexcept {
    return counts_[static_cast<std::size_t>(reason)];
  }

 private:
  std::array<std::uint64_t, kDropReasonCount> counts_{};
};

}  // namespace wanbond
