// What can be done with an inner packet that is larger than the tunnel carries: tell its sender
// (ICMP "fragmentation needed", RFC 1191 4; ICMPv6 "packet too big", RFC 4443 3.2) or, where IPv4
// allows it, cut it into fragments (RFC 791 3.2). RFC 4459 3.2 weighs the two.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/inner.h"

namespace wanbond {

/// Room for the largest message: the least MTU of IPv6 (RFC 4443 2.4 c).
inline constexpr std::size_t kTooBigBytesMax = 1280;

/// Writes the message that packets of more than `mtu_bytes` do not pass, to the sender of `packet`
/// (whose view is `inner`), into `out` (at least kTooBigBytesMax), and returns its size. It comes
/// from the packet's destination: a kernel that routes it discards messages from its own addresses
/// (RFC 1812 5.3.8), and the way back to any other may lead elsewhere. 0 if nothing may be said: to
/// an ICMP error, a later fragment, or from or to an address that is not a single host's
/// (RFC 1122 3.2.2, RFC 4443 2.4 e).
std::size_t write_too_big(Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                          MutableBytes out) noexcept;

/// True for an IPv4 packet that routers may cut: its don't-fragment bit is not set.
bool may_fragment(Bytes packet, const InnerPacket& inner) noexcept;

/// Fragments of `packet` with at most `mtu_bytes` (at least 68, RFC 791 3.2) each: how many, and
/// fragment `i` written to `out` (at least mtu_bytes), which returns its size. Only for packets
/// that may_fragment(), their checksums finished.
std::size_t fragment_count(const InnerPacket& inner, std::size_t mtu_bytes) noexcept;
std::size_t write_fragment(Bytes packet, const InnerPacket& inner, std::size_t mtu_bytes,
                           std::size_t i, MutableBytes out) noexcept;

}  // namespace wanbond
