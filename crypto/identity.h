// Who takes part in a handshake: this node, and a peer as this node knows it, each with what can
// be computed once and used for every message (protocol 2.1).
#pragma once

#include "base/result.h"
#include "crypto/key.h"

namespace wanbond {

/// The keys that messages *to* one static key are guarded with before anything else is read; not
/// secret to those who know that key and the network key.
struct GuardKeys {
  Key32 mac1;
  Key32 cookie;

  static GuardKeys of(const PublicKey& receiver, const NetKey& netkey) noexcept;
};

/// This node's static keys and its network's key.
class LocalIdentity {
 public:
  LocalIdentity(const KeyPair& keys, const NetKey& netkey) noexcept
      : keys_(keys), netkey_(netkey), guard_(GuardKeys::of(keys.public_key, netkey)) {}

  const KeyPair& keys() const noexcept { return keys_; }
  const PublicKey& public_key() const noexcept { return keys_.public_key; }
  const NetKey& netkey() const noexcept { return netkey_; }
  /// For messages to this node.
  const GuardKeys& guard() const noexcept { return guard_; }

 private:
  KeyPair keys_;
  NetKey netkey_;
  GuardKeys guard_;
};

/// A configured peer, seen from one LocalIdentity.
class RemoteIdentity {
 public:
  /// Computes the static Diffie-Hellman value. An error when `key` is a point of low order.
  static Result<RemoteIdentity> make(const LocalIdentity& local, const PublicKey& key,
                                     const PresharedKey& psk);

  const PublicKey& public_key() const noexcept { return key_; }
  const PresharedKey& psk() const noexcept { return psk_; }
  /// DH of both static keys (`ss`).
  const Key32& static_shared() const noexcept { return shared_; }
  /// For messages to the peer.
  const GuardKeys& guard() const noexcept { return guard_; }

 private:
  RemoteIdentity(const PublicKey& key, const PresharedKey& psk, const Key32& shared,
                 const GuardKeys& guard) noexcept
      : key_(key), psk_(psk), shared_(shared), guard_(guard) {}

  PublicKey key_;
  PresharedKey psk_;
  Key32 shared_;
  GuardKeys guard_;
};

}  // namespace wanbond
