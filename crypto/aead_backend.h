// The seam between AeadKey and the library that computes. A second library is one more file that
// fills in this table, and a line in aead_backend_for().
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "crypto/aead.h"

namespace wanbond {

/// 96 bits: 4 zero bytes, then the counter, little-endian (ChaCha) or big-endian (AES).
using AeadNonce = std::array<std::byte, 12>;

/// What a library does for one cipher. `context` is AeadKey's, 64-aligned, filled by `prepare`.
/// `seal`: text and out have one size and are the same or do not overlap. `open`: tag first; on
/// false `text` is zeroed.
struct AeadBackend {
  std::string_view name;
  std::size_t context_bytes;
  void (*prepare)(MutableBytes context, std::span<const std::byte, kKeyBytes> key) noexcept;
  void (*seal)(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out,
               Tag tag) noexcept;
  bool (*open)(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
               ConstTag tag) noexcept;
};

/// The back end to use for a cipher on this machine; null when there is none.
const AeadBackend* aead_backend_for(Cipher cipher) noexcept;

/// libsodium's; null for AES-256-GCM on a machine without the instructions.
const AeadBackend* sodium_aead(Cipher cipher) noexcept;

}  // namespace wanbond
