// The Noise Protocol Framework, revision 34, with 25519 and BLAKE2b: symmetric state and handshake
// state, one token at a time. `handshake` builds IKpsk2 from it; the test vectors also run others.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "crypto/key.h"

namespace wanbond {

/// Noise 5.2: chaining key, handshake hash and cipher state. All of it is wiped at the end.
class NoiseSymmetric {
 public:
  /// `name` is the protocol name, such as "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b".
  NoiseSymmetric(std::string_view name, Cipher cipher) noexcept;
  NoiseSymmetric(const NoiseSymmetric&) noexcept = default;
  NoiseSymmetric& operator=(const NoiseSymmetric&) noexcept = default;
  ~NoiseSymmetric();

  void mix_hash(Bytes data) noexcept;
  void mix_key(Bytes input) noexcept;
  void mix_key_and_hash(Bytes input) noexcept;
  /// EncryptAndHash: `out` holds text.size() + overhead().
  void encrypt(Bytes text, MutableBytes out) noexcept;
  /// DecryptAndHash: `out` holds sealed.size() - overhead(). On false the state is
  /// as before and `out` zeros.
  [[nodiscard]] bool decrypt(Bytes sealed, MutableBytes out) noexcept;
  /// 16 once there is a key, 0 before.
  std::size_t overhead() const noexcept { return key_ ? kTagBytes : 0; }
  const Hash& handshake_hash() const noexcept { return h_; }

  struct Split {
    Key32 first;   // initiator to responder
    Key32 second;  // responder to initiator
  };
  Split split() const noexcept;

 private:
  Hash ck_{};
  Hash h_{};
  std::optional<Key32> key_;
  std::uint64_t nonce_ = 0;
  Cipher cipher_;
};

enum class NoiseRole : std::uint8_t { Initiator, Responder };
enum class NoiseToken : std::uint8_t { E, S, Ee, Es, Se, Ss, Psk };
/// Whether the pattern's name holds a psk; then `e` is mixed into the key too (Noise 9.2).
enum class NoisePsk : std::uint8_t { None, Used };

/// What a party knows before the first message; the remote ones are filled in as they arrive.
struct NoiseKeys {
  std::optional<KeyPair> local_static;
  std::optional<PublicKey> remote_static;
  /// The result of `Ss`, when it was computed before.
  std::optional<Key32> static_shared;
  NoisePsk psk = NoisePsk::None;
};

/// Noise 5.3, driven from outside: the caller names the tokens of each message, then its payload.
/// Copyable, so that a message can be tried on a copy.
class NoiseHandshake {
 public:
  NoiseHandshake(NoiseRole role, const NoiseSymmetric& symmetric, const NoiseKeys& keys) noexcept
      : role_(role), symmetric_(symmetric), keys_(keys) {}

  NoiseSymmetric& symmetric() noexcept { return symmetric_; }
  const NoiseSymmetric& symmetric() const noexcept { return symmetric_; }
  /// Set once `S` has been read, or from the start.
  const std::optional<PublicKey>& remote_static() const noexcept { return keys_.remote_static; }
  void set_static_shared(const Key32& shared) noexcept { keys_.static_shared = shared; }

  /// Makes the ephemeral key and writes it.
  void write_e(ByteWriter& out, Random& random) noexcept;
  void write_s(ByteWriter& out) noexcept;
  /// False when bytes are missing or, for `S`, do not authenticate.
  [[nodiscard]] bool read_e(ByteReader& in) noexcept;
  [[nodiscard]] bool read_s(ByteReader& in) noexcept;
  /// `Ee`, `Es`, `Se` or `Ss`: false for a point of low order or a key that is missing.
  [[nodiscard]] bool mix_dh(NoiseToken token) noexcept;
  void mix_psk(const PresharedKey& psk) noexcept { symmetric_.mix_key_and_hash(psk.bytes()); }

 private:
  NoiseRole role_;
  NoiseSymmetric symmetric_;
  NoiseKeys keys_;
  std::optional<KeyPair> ephemeral_;
  std::optional<PublicKey> remote_ephemeral_;
};

}  // namespace wanbond
