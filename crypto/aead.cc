#include "crypto/aead.h"

#include "base/check.h"
#include "crypto/aead_backend.h"

namespace wanbond {
namespace {

AeadNonce encode_nonce(Cipher cipher, std::uint64_t nonce) noexcept {
  AeadNonce bytes;
  ByteWriter writer(bytes);
  writer.zeros(4);
  switch (cipher) {
    case Cipher::ChaCha20Poly1305:
      writer.u64(nonce);
      break;
    case Cipher::Aes256Gcm:
      writer.u64_be(nonce);
      break;
  }
  return bytes;
}

}  // namespace

const AeadBackend* aead_backend_for(Cipher cipher) noexcept { return sodium_aead(cipher); }

bool aes_available() noexcept { return aead_backend_for(Cipher::Aes256Gcm) != nullptr; }

AeadKey::AeadKey(Cipher cipher, const Key32& key) noexcept
    : backend_(aead_backend_for(cipher)), cipher_(cipher) {
  check(backend_ != nullptr && backend_->context_bytes <= kContextBytes);
  backend_->prepare(context_, key.bytes());
}

AeadKey::~AeadKey() { secure_wipe(context_); }

std::string_view AeadKey::backend_name() const noexcept { return backend_->name; }

void AeadKey::seal(std::uint64_t nonce, Bytes ad, MutableBytes text, Tag tag) const noexcept {
  backend_->seal(context_, encode_nonce(cipher_, nonce), ad, text, text.data(), tag);
}

void AeadKey::seal_to(std::uint64_t nonce, Bytes ad, Bytes text, MutableBytes out) const noexcept {
  check(out.size() == text.size() + kTagBytes);
  backend_->seal(context_, encode_nonce(cipher_, nonce), ad, text, out.data(),
                 out.last<kTagBytes>());
}

bool AeadKey::open(std::uint64_t nonce, Bytes ad, MutableBytes text, ConstTag tag) const noexcept {
  return backend_->open(context_, encode_nonce(cipher_, nonce), ad, text, tag);
}

}  // namespace wanbond
