// BLAKE2b (RFC 7693) over libsodium, plain and keyed: the only hash of the protocol.
#pragma once

#include <array>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/bytes.h"

namespace wanbond {

inline constexpr std::size_t kHashBytes = 64;
using Hash = std::array<std::byte, kHashBytes>;

/// The bytes of a label such as "wanbond1-mac1", without a terminating zero.
inline Bytes label_bytes(std::string_view label) noexcept {
  return std::as_bytes(std::span(label.data(), label.size()));
}

/// Fills `out` (1 to 64 bytes: the digest size goes into the hash) with the BLAKE2b of the parts
/// one after the other. `key`: empty, or up to 64 bytes.
void blake2b(MutableBytes out, Bytes key, std::initializer_list<Bytes> parts) noexcept;

/// HMAC (RFC 2104) with BLAKE2b-512, block size 128, over `first || second`; `key` up to 128 bytes.
Hash hmac_blake2b(Bytes key, Bytes first, Bytes second) noexcept;

}  // namespace wanbond
