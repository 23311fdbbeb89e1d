// Keys as values: secret ones wipe themselves, public ones compare and sort; base64 text, key
// generation and the Curve25519 function (RFC 7748) over libsodium.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/random.h"
#include "base/result.h"

namespace wanbond {

inline constexpr std::size_t kKeyBytes = 32;
/// Characters of a key in base64, with its one '='.
inline constexpr std::size_t kKeyTextChars = 44;

/// Makes libsodium ready (and lets it detect AES instructions). The program calls it once before
/// anything else of this folder; more calls do no harm.
Result<void> crypto_init();

/// Overwrites with zeros in a way the compiler cannot leave out.
void secure_wipe(MutableBytes bytes) noexcept;

/// Compares in a time that depends on the sizes only. Different sizes are not equal.
bool secure_equal(Bytes a, Bytes b) noexcept;

/// 32 bytes from exactly 44 characters of canonical base64 (RFC 4648 section 4); else none.
std::optional<std::array<std::byte, kKeyBytes>> parse_key_text(std::string_view text) noexcept;
/// The 44 characters of 32 bytes.
std::string key_text(std::span<const std::byte, kKeyBytes> bytes);

/// 32 secret bytes, wiped when the object ends. `Tag` keeps kinds of keys apart and is never
/// defined. Default: zeros.
template <class Tag>
class Secret {
 public:
  Secret() noexcept = default;
  explicit Secret(std::span<const std::byte, kKeyBytes> bytes) noexcept {
    std::memcpy(bytes_.data(), bytes.data(), kKeyBytes);
  }
  Secret(const Secret&) noexcept = default;
  Secret& operator=(const Secret&) noexcept = default;
  ~Secret() { secure_wipe(bytes_); }

  static Secret generate(Random& random) noexcept {
    Secret secret;
    random.fill(secret.bytes_);
    return secret;
  }
  /// See parse_key_text.
  static std::optional<Secret> parse(std::string_view text) noexcept {
    auto bytes = parse_key_text(text);
    if (!bytes) return std::nullopt;
    const Secret secret(*bytes);
    secure_wipe(*bytes);
    return secret;
  }
  std::string to_text() const { return key_text(bytes_); }

  std::span<const std::byte, kKeyBytes> bytes() const noexcept { return bytes_; }
  std::span<std::byte, kKeyBytes> bytes() noexcept { return bytes_; }
  friend bool operator==(const Secret& a, const Secret& b) noexcept {
    return secure_equal(a.bytes_, b.bytes_);
  }

 private:
  std::array<std::byte, kKeyBytes> bytes_{};
};

/// Any symmetric key or shared secret.
using Key32 = Secret<struct SymmetricKeyTag>;
/// A Curve25519 scalar.
using SecretKey = Secret<struct SecretKeyTag>;
/// One per peer pair; zeros when none is set (protocol 2.1).
using PresharedKey = Secret<struct PresharedKeyTag>;

/// A Curve25519 point as it travels; ordered byte by byte (protocol 2.6: "the smaller static key").
struct PublicKey {
  std::array<std::byte, kKeyBytes> bytes{};

  /// See parse_key_text.
  static std::optional<PublicKey> parse(std::string_view text) noexcept;
  std::string to_text() const { return key_text(bytes); }
  friend constexpr auto operator<=>(const PublicKey&, const PublicKey&) = default;
};

/// The key shared by a whole network, or none (protocol 2.1): without it nobody can make a mac1.
class NetKey {
 public:
  /// No network key.
  NetKey() noexcept = default;
  explicit NetKey(const Key32& key) noexcept : key_(key) {}
  /// The 32 bytes, or an empty span.
  Bytes bytes() const noexcept { return key_ ? Bytes(key_->bytes()) : Bytes(); }

 private:
  std::optional<Key32> key_;
};

/// The public key that belongs to a secret one.
PublicKey public_key_of(const SecretKey& secret) noexcept;

/// X25519 (RFC 7748 section 5); none when the result is zeros, that is for a point of low order,
/// which ends a handshake.
std::optional<Key32> shared_secret(const SecretKey& secret, const PublicKey& point) noexcept;

/// A secret key with its public key.
struct KeyPair {
  SecretKey secret;
  PublicKey public_key;

  static KeyPair from(const SecretKey& secret) noexcept;
  /// A fresh pair, the scalar already clamped (RFC 7748 section 5).
  static KeyPair generate(Random& random) noexcept;
};

}  // namespace wanbond
