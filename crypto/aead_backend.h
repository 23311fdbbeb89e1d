// The seam between AeadKey and the library that computes. Another library is one more file that
// fills in this table, and a case in aead_backend().
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
/// `seal`: text and out have one size and are the same or do not overlap. `open`: on false `text`
/// is zeroed, whether the tag was compared before or after the text was decrypted. The three keep
/// no state outside their parameters: threads may share a key.
struct AeadBackend {
  std::size_t context_bytes;
  void (*prepare)(MutableBytes context, std::span<const std::byte, kKeyBytes> key) noexcept;
  void (*seal)(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out,
               Tag tag) noexcept;
  bool (*open)(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
               ConstTag tag) noexcept;
};

/// What `library` does for `cipher` on this machine; null when it cannot. Alone in its file.
const AeadBackend* aead_backend(AeadLibrary library, Cipher cipher) noexcept;

/// libsodium's; null for AES-256-GCM on a machine without the instructions.
const AeadBackend* sodium_aead(Cipher cipher) noexcept;

/// libIPSec_MB's; null when ipsec_mb_fault() is not empty.
const AeadBackend* ipsec_mb_aead(Cipher cipher) noexcept;
/// Why this build or this machine has no libIPSec_MB; empty when it has.
std::string_view ipsec_mb_fault() noexcept;

/// The self-test: true when `subject` seals to the bytes of `reference`, opens them again, and
/// refuses and wipes what was forged. Some lengths up to a full packet; well under 1 ms.
bool aead_agrees(const AeadBackend& subject, const AeadBackend& reference) noexcept;

}  // namespace wanbond
