// Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b between two nodes (protocol 2.1): 176 bytes there, 116
// back, and both hold traffic keys bound to everything that was said.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/handshake_message.h"
#include "crypto/identity.h"
#include "crypto/noise.h"

namespace wanbond {

/// One key per direction, for all paths (protocol 2.3).
struct TrafficKeys {
  Cipher cipher = Cipher::ChaCha20Poly1305;
  Key32 send;
  Key32 receive;
};

/// The side that speaks first. One object is one HS_INIT; a retry is a new object.
class InitiatorHandshake {
 public:
  /// Makes the message: fresh ephemeral key, mac1, mac2 zero (set_mac2 fills it per copy).
  /// `payload.cipher_offer` holds only ciphers this machine has and our policy allows.
  InitiatorHandshake(const LocalIdentity& local, const RemoteIdentity& remote,
                     const InitPayload& payload, Random& random) noexcept;

  const InitMessage& message() const noexcept { return message_; }
  /// The mac1 of message(): what an HS_COOKIE must answer.
  std::span<const std::byte, kMacBytes> mac1() const noexcept;
  std::uint32_t cid_base() const noexcept { return cid_base_; }

  struct Completed {
    RespPayload payload;
    TrafficKeys keys;
  };
  /// The outcome, when `message` is an HS_RESP to exactly this HS_INIT by the peer, with a cipher
  /// that was offered; else none. Nothing changes either way: a forged HS_RESP does not end a live
  /// handshake. The caller drops the object after success. Two DH steps behind mac1.
  std::optional<Completed> consume_response(Bytes message) const noexcept;

 private:
  NoiseHandshake noise_;
  PresharedKey psk_;
  GuardKeys local_guard_;
  std::uint16_t cipher_offer_;
  std::uint32_t cid_base_;
  InitMessage message_{};
};

/// The side that answers, in steps, so that the node can refuse between them: read_init (one DH),
/// known peer?, read_payload (no DH), fresh?, respond (three DH). Changes nothing but itself.
class ReceivedInit {
 public:
  /// Shape, mac1, `e`, `es`, `s`. None when any of it is wrong. The caller has paid attention to
  /// mac2 and rate limits before.
  static std::optional<ReceivedInit> read(const LocalIdentity& local, Bytes message) noexcept;

  /// Who claims to have sent it; proven for whoever does not hold our own secret key only by
  /// read_payload, and its freshness not even then.
  const PublicKey& peer() const noexcept { return *noise_.remote_static(); }
  std::uint32_t cid_base() const noexcept { return cid_base_; }

  /// `ss` and the payload. `remote` is the peer() this node knows. None, with nothing changed, when
  /// it does not authenticate as that peer or contradicts itself (reserved fields, cid base unlike
  /// the clear one).
  std::optional<InitPayload> read_payload(const RemoteIdentity& remote) noexcept;

  struct Answer {
    RespMessage message;
    TrafficKeys keys;
  };
  /// HS_RESP with mac1 (mac2 zero) and the keys; once, after read_payload succeeded with the same
  /// `remote`. None when a DH gives zeros, which read() has already excluded for the initiator's
  /// key.
  std::optional<Answer> respond(const RemoteIdentity& remote, const RespPayload& payload,
                                Random& random) noexcept;

 private:
  ReceivedInit(const NoiseHandshake& noise, std::uint32_t cid_base) noexcept
      : noise_(noise), cid_base_(cid_base) {}

  enum class Step : std::uint8_t { StaticRead, PayloadRead, Answered };

  NoiseHandshake noise_;
  std::uint32_t cid_base_;
  std::array<std::byte, kInitPayloadBytes + kTagBytes> sealed_payload_{};
  Step step_ = Step::StaticRead;
};

}  // namespace wanbond
