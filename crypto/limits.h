// How long and how often one key may be used (protocol 2.4), each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace wanbond {

/// First packet number that is never sent nor accepted on a path: 2^16 below the wrap, so that no
/// rounding or batch of numbers can reach it. 180 s at 23.9 Mpps; time comes first.
inline constexpr std::uint32_t kPacketNumberEnd = 0xffff0000;

/// When a key is replaced, refused and erased. The defaults are the protocol's; tests and the demo
/// may shorten them.
struct KeyLimits {
  /// The initiator asks for a new key at this age, less a random part of `rekey_jitter`, which
  /// spreads the spokes of a hub. WireGuard's 120 s.
  Duration rekey_after = 120s;
  Duration rekey_jitter = 10s;
  /// The responder asks by itself: the initiator may be gone.
  Duration responder_rekey_after = 150s;
  /// No packet is sealed or opened from this age on. WireGuard's 180 s.
  Duration reject_after = 180s;
  /// The old key opens for so long after the move: paths with 300 ms of skew lose nothing.
  Duration previous_kept = 20s;
  /// Key memory is erased at this age: 3 x reject_after, as WireGuard.
  Duration erase_after = 540s;
  /// A path's packet number that asks for a new key: 120 s at 17.9 Mpps.
  std::uint32_t rekey_packet_number = 0x80000000;
  /// AES blocks under one key in one direction, all paths, that ask for a new key / end it.
  /// RFC 9001 B.1: q x l <= 2^35 keeps the advantage at 2^-57; 10 Gbit/s for 120 s is 2^33.1.
  std::uint64_t rekey_aes_blocks = 1ULL << 34;
  std::uint64_t reject_aes_blocks = 1ULL << 35;
  /// Failed opens under one key that ask for a new one; OpenVPN and DTLS 1.3 stop at 2^36.
  std::uint64_t rekey_failed_opens = 1ULL << 35;
};

/// A cookie secret is replaced at this age (WireGuard's 120 s); the one before stays good as long.
inline constexpr Duration kCookieSecretLife = 120s;

}  // namespace wanbond
