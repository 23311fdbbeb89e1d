// The AEAD back end on libsodium: ChaCha20-Poly1305 (IETF) anywhere, AES-256-GCM where the machine
// has AES and carry-less multiplication.
#include <sodium.h>

#include <cstring>

#include "base/check.h"
#include "crypto/aead_backend.h"

namespace wanbond {
namespace {

unsigned char* raw(std::byte* bytes) noexcept { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* raw(const std::byte* bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes);
}

/// libsodium wants pointers to text even where there is none (a relay packet): then to the tag.
unsigned char* output(Bytes text, std::byte* out, Tag tag) noexcept {
  return raw(text.empty() ? tag.data() : out);
}
const unsigned char* sealed_input(Bytes text, ConstTag tag) noexcept {
  return raw(text.empty() ? tag.data() : text.data());
}

void chacha_prepare(MutableBytes context, std::span<const std::byte, kKeyBytes> key) noexcept {
  std::memcpy(context.data(), key.data(), key.size());
}

void chacha_seal(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out,
                 Tag tag) noexcept {
  crypto_aead_chacha20poly1305_ietf_encrypt_detached(
      output(text, out, tag), raw(tag.data()), nullptr, raw(text.data()), text.size(),
      raw(ad.data()), ad.size(), nullptr, raw(nonce.data()), raw(context.data()));
}

bool chacha_open(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
                 ConstTag tag) noexcept {
  return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
             raw(text.data()), nullptr, sealed_input(text, tag), text.size(), raw(tag.data()),
             raw(ad.data()), ad.size(), raw(nonce.data()), raw(context.data())) == 0;
}

// libsodium's state type wants 16-byte alignment, which AeadKey's 64 gives.
const crypto_aead_aes256gcm_state* aes_state(Bytes context) noexcept {
  return reinterpret_cast<const crypto_aead_aes256gcm_state*>(context.data());
}

void aes_prepare(MutableBytes context, std::span<const std::byte, kKeyBytes> key) noexcept {
  crypto_aead_aes256gcm_beforenm(reinterpret_cast<crypto_aead_aes256gcm_state*>(context.data()),
                                 raw(key.data()));
}

void aes_seal(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out,
              Tag tag) noexcept {
  crypto_aead_aes256gcm_encrypt_detached_afternm(
      output(text, out, tag), raw(tag.data()), nullptr, raw(text.data()), text.size(),
      raw(ad.data()), ad.size(), nullptr, raw(nonce.data()), aes_state(context));
}

bool aes_open(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
              ConstTag tag) noexcept {
  return crypto_aead_aes256gcm_decrypt_detached_afternm(
             raw(text.data()), nullptr, sealed_input(text, tag), text.size(), raw(tag.data()),
             raw(ad.data()), ad.size(), raw(nonce.data()), aes_state(context)) == 0;
}

constexpr AeadBackend kChaCha{kKeyBytes, chacha_prepare, chacha_seal, chacha_open};
constexpr AeadBackend kAes{sizeof(crypto_aead_aes256gcm_state), aes_prepare, aes_seal, aes_open};

}  // namespace

const AeadBackend* sodium_aead(Cipher cipher) noexcept {
  switch (cipher) {
    case Cipher::ChaCha20Poly1305:
      return &kChaCha;
    case Cipher::Aes256Gcm:
      return crypto_aead_aes256gcm_is_available() != 0 ? &kAes : nullptr;
  }
  return nullptr;
}

void XChaCha::seal(Bytes text, MutableBytes out) const noexcept {
  check(out.size() == text.size() + kTagBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(raw(out.data()), nullptr, raw(text.data()),
                                             text.size(), raw(ad.data()), ad.size(), nullptr,
                                             raw(nonce.data()), raw(key.bytes().data()));
}

bool XChaCha::open(Bytes sealed, MutableBytes out) const noexcept {
  if (sealed.size() < kTagBytes) return false;
  check(out.size() == sealed.size() - kTagBytes);
  return crypto_aead_xchacha20poly1305_ietf_decrypt(
             raw(out.data()), nullptr, nullptr, raw(sealed.data()), sealed.size(), raw(ad.data()),
             ad.size(), raw(nonce.data()), raw(key.bytes().data())) == 0;
}

}  // namespace wanbond
