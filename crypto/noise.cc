#include "crypto/noise.h"

#include <cstring>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::byte kOne{1};
constexpr std::byte kTwo{2};
constexpr std::byte kThree{3};

/// Noise 4.3: the first two or three outputs of HKDF with chaining key `ck`.
struct Hkdf {
  Hash first;
  Hash second;
  Hash third;

  Hkdf(const Hash& ck, Bytes input) noexcept {
    Hash temp = hmac_blake2b(ck, input, {});
    first = hmac_blake2b(temp, {&kOne, 1}, {});
    second = hmac_blake2b(temp, first, {&kTwo, 1});
    third = hmac_blake2b(temp, second, {&kThree, 1});
    secure_wipe(temp);
  }
  ~Hkdf() {
    secure_wipe(first);
    secure_wipe(second);
    secure_wipe(third);
  }
  Hkdf(const Hkdf&) = delete;
  Hkdf& operator=(const Hkdf&) = delete;
};

/// Noise 4.3: a key is the first 32 of HASHLEN bytes.
Key32 key_of(const Hash& hash) noexcept { return Key32(std::span(hash).first<kKeyBytes>()); }

}  // namespace

NoiseSymmetric::NoiseSymmetric(std::string_view name, Cipher cipher) noexcept : cipher_(cipher) {
  if (name.size() <= kHashBytes)
    std::memcpy(h_.data(), name.data(), name.size());
  else
    blake2b(h_, {}, {label_bytes(name)});
  ck_ = h_;
}

NoiseSymmetric::~NoiseSymmetric() {
  secure_wipe(ck_);
  secure_wipe(h_);
}

void NoiseSymmetric::mix_hash(Bytes data) noexcept {
  const Hash before = h_;
  blake2b(h_, {}, {before, data});
}

void NoiseSymmetric::mix_key(Bytes input) noexcept {
  const Hkdf out(ck_, input);
  ck_ = out.first;
  key_ = key_of(out.second);
  nonce_ = 0;
}

void NoiseSymmetric::mix_key_and_hash(Bytes input) noexcept {
  const Hkdf out(ck_, input);
  ck_ = out.first;
  mix_hash(out.second);
  key_ = key_of(out.third);
  nonce_ = 0;
}

void NoiseSymmetric::encrypt(Bytes text, MutableBytes out) noexcept {
  check(out.size() == text.size() + overhead());
  if (key_)
    AeadKey(cipher_, *key_).seal_to(nonce_++, h_, text, out);
  else
    ByteWriter(out).put(text);
  mix_hash(out);
}

bool NoiseSymmetric::decrypt(Bytes sealed, MutableBytes out) noexcept {
  if (sealed.size() < overhead()) return false;
  check(out.size() == sealed.size() - overhead());
  ByteWriter(out).put(sealed.first(out.size()));
  if (key_) {
    if (!AeadKey(cipher_, *key_).open(nonce_, h_, out, sealed.last<kTagBytes>())) return false;
    ++nonce_;
  }
  mix_hash(sealed);
  return true;
}

NoiseSymmetric::Split NoiseSymmetric::split() const noexcept {
  const Hkdf out(ck_, {});
  return {key_of(out.first), key_of(out.second)};
}

void NoiseHandshake::write_e(ByteWriter& out, Random& random) noexcept {
  ephemeral_ = KeyPair::generate(random);
  const auto& key = ephemeral_->public_key.bytes;
  out.put(key);
  symmetric_.mix_hash(key);
  if (keys_.psk == NoisePsk::Used) symmetric_.mix_key(key);
}

void NoiseHandshake::write_s(ByteWriter& out) noexcept {
  const MutableBytes place = out.reserve(kKeyBytes + symmetric_.overhead());
  check(keys_.local_static && !place.empty());
  symmetric_.encrypt(keys_.local_static->public_key.bytes, place);
}

bool NoiseHandshake::read_e(ByteReader& in) noexcept {
  const Bytes taken = in.take(kKeyBytes);
  if (!in.ok()) return false;
  PublicKey key;
  std::memcpy(key.bytes.data(), taken.data(), kKeyBytes);
  remote_ephemeral_ = key;
  symmetric_.mix_hash(taken);
  if (keys_.psk == NoisePsk::Used) symmetric_.mix_key(taken);
  return true;
}

bool NoiseHandshake::read_s(ByteReader& in) noexcept {
  const Bytes taken = in.take(kKeyBytes + symmetric_.overhead());
  PublicKey key;
  if (!in.ok() || !symmetric_.decrypt(taken, key.bytes)) return false;
  keys_.remote_static = key;
  return true;
}

bool NoiseHandshake::mix_dh(NoiseToken token) noexcept {
  // The first letter of a token is the initiator's key, the second the responder's.
  const bool initiator = role_ == NoiseRole::Initiator;
  bool local_is_static = false;
  bool remote_is_static = false;
  switch (token) {
    case NoiseToken::Ee:
      break;
    case NoiseToken::Es:
      (initiator ? remote_is_static : local_is_static) = true;
      break;
    case NoiseToken::Se:
      (initiator ? local_is_static : remote_is_static) = true;
      break;
    case NoiseToken::Ss:
      local_is_static = remote_is_static = true;
      break;
    case NoiseToken::E:
    case NoiseToken::S:
    case NoiseToken::Psk:
      return false;
  }
  std::optional<Key32> shared;
  if (token == NoiseToken::Ss && keys_.static_shared) {
    shared = keys_.static_shared;
  } else {
    const auto& local = local_is_static ? keys_.local_static : ephemeral_;
    const auto& remote = remote_is_static ? keys_.remote_static : remote_ephemeral_;
    if (!local || !remote) return false;
    shared = shared_secret(local->secret, *remote);
  }
  if (!shared) return false;
  symmetric_.mix_key(shared->bytes());
  return true;
}

}  // namespace wanbond
