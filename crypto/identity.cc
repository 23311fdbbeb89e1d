#include "crypto/identity.h"

#include "crypto/hash.h"

namespace wanbond {

GuardKeys GuardKeys::of(const PublicKey& receiver, const NetKey& netkey) noexcept {
  GuardKeys keys;
  blake2b(keys.mac1.bytes(), {}, {label_bytes("wanbond1-mac1"), receiver.bytes, netkey.bytes()});
  blake2b(keys.cookie.bytes(), {}, {label_bytes("wanbond1-cook"), receiver.bytes, netkey.bytes()});
  return keys;
}

Result<RemoteIdentity> RemoteIdentity::make(const LocalIdentity& local, const PublicKey& key,
                                            const PresharedKey& psk) {
  const auto shared = shared_secret(local.keys().secret, key);
  if (!shared)
    return Error{"the public key " + key.to_text() +
                 " is a point of low order, which nobody can own; ask the peer for its `wanbond "
                 "pubkey`"};
  return RemoteIdentity(key, psk, *shared, GuardKeys::of(key, local.netkey()));
}

}  // namespace wanbond
