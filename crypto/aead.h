// The two ciphers of packets, sealed and opened in place (way of a packet, stations 6 out and 4
// in). RFC 8439 and NIST SP 800-38D; nonces as Noise encodes its 64-bit counter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/packet.h"
#include "base/result.h"
#include "crypto/key.h"

namespace wanbond {

/// The id is on the wire (HS_RESP) and in the traffic key (protocol 2.1).
enum class Cipher : std::uint8_t { ChaCha20Poly1305 = 0, Aes256Gcm = 1 };

using Tag = std::span<std::byte, kTagBytes>;
using ConstTag = std::span<const std::byte, kTagBytes>;

/// True when this machine has the instructions AES-256-GCM needs; false before crypto_init().
bool aes_available() noexcept;

/// Who computes the ciphers. The bytes are the same, the speed is not.
enum class AeadLibrary : std::uint8_t {
  Sodium,   // always there
  IpsecMb,  // Intel's: optional at build, for x86 processors with AES instructions
};

/// As users see it: "libsodium", "libIPSec_MB".
std::string_view aead_library_name(AeadLibrary library) noexcept;

/// Nothing, or why `library` cannot be used here: not in this build, not on this processor, or its
/// self-test against libsodium failed. After crypto_init(); at set-up.
Result<void> probe_aead(AeadLibrary library);

/// `wanted`, or why it cannot be used; without a wish the fastest library that can.
Result<AeadLibrary> choose_aead(std::optional<AeadLibrary> wanted);

/// The 64-bit Noise counter of a packet: path << 32 | packet number (protocol 2.1).
constexpr std::uint64_t packet_nonce(PathId path, std::uint32_t number) noexcept {
  return static_cast<std::uint64_t>(path.value) << 32 | number;
}

struct AeadBackend;

/// One key, ready for use by any number of packets. Neither copied nor moved: there is one place
/// to wipe. Keeps no counter: that a nonce is used once is the promise of its owner (SendKey).
class AeadKey {
 public:
  /// Expands the key. `cipher` must be available (aes_available) and so must `library`
  /// (choose_aead), else the program ends.
  AeadKey(Cipher cipher, const Key32& key, AeadLibrary library = AeadLibrary::Sodium) noexcept;
  ~AeadKey();
  AeadKey(const AeadKey&) = delete;
  AeadKey& operator=(const AeadKey&) = delete;

  Cipher cipher() const noexcept { return cipher_; }

  /// Encrypts `text` in place and writes the tag over `ad` and ciphertext. `tag` is usually the 16
  /// bytes behind `text`. A nonce is used once per key.
  void seal(std::uint64_t nonce, Bytes ad, MutableBytes text, Tag tag) const noexcept;
  /// Encrypts from `text` to `out`, which holds text.size() + kTagBytes: ciphertext, then tag. The
  /// two do not overlap.
  void seal_to(std::uint64_t nonce, Bytes ad, Bytes text, MutableBytes out) const noexcept;
  /// Checks the tag and decrypts in place. On false `text` is all zeros: one packet, one key, one
  /// try.
  [[nodiscard]] bool open(std::uint64_t nonce, Bytes ad, MutableBytes text,
                          ConstTag tag) const noexcept;

 private:
  /// An expanded AES key with its GHASH table. libsodium: 512 bytes, 16-aligned; libIPSec_MB: 1024,
  /// 64-aligned. So 4 KiB for a peer with one pair of keys and its predecessor.
  static constexpr std::size_t kContextBytes = 1024;

  alignas(64) std::array<std::byte, kContextBytes> context_{};
  const AeadBackend* backend_;
  Cipher cipher_;
};

/// XChaCha20-Poly1305 for the rare message whose nonce is random (HS_COOKIE): one key, nonce and
/// associated data, used for one text.
struct XChaCha {
  static constexpr std::size_t kNonceBytes = 24;

  const Key32& key;
  std::span<const std::byte, kNonceBytes> nonce;
  Bytes ad;

  /// `out` holds text.size() + kTagBytes and does not overlap `text`.
  void seal(Bytes text, MutableBytes out) const noexcept;
  /// `out` holds sealed.size() - kTagBytes and does not overlap `sealed`; zeros on false.
  [[nodiscard]] bool open(Bytes sealed, MutableBytes out) const noexcept;
};

}  // namespace wanbond
