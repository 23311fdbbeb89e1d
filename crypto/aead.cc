#include "crypto/aead.h"

#include <string>

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

std::string_view aead_library_name(AeadLibrary library) noexcept {
  switch (library) {
    case AeadLibrary::Sodium:
      return "libsodium";
    case AeadLibrary::IpsecMb:
      return "libIPSec_MB";
  }
  return {};
}

Result<void> probe_aead(AeadLibrary library) {
  if (library == AeadLibrary::Sodium) return {};
  if (const std::string_view fault = ipsec_mb_fault(); !fault.empty())
    return Error{std::string(fault)};
  for (const Cipher cipher : {Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm})
    if (!aead_agrees(*ipsec_mb_aead(cipher), *sodium_aead(cipher)))
      return Error{"its self-test failed: it does not agree with libsodium"};
  return {};
}

Result<AeadLibrary> choose_aead(std::optional<AeadLibrary> wanted) {
  const auto probed = probe_aead(wanted.value_or(AeadLibrary::IpsecMb));
  if (wanted && !probed)
    return Error{std::string(aead_library_name(*wanted)) + ": " + probed.error().message};
  if (wanted) return *wanted;
  return probed ? AeadLibrary::IpsecMb : AeadLibrary::Sodium;
}

bool aes_available() noexcept { return sodium_aead(Cipher::Aes256Gcm) != nullptr; }

AeadKey::AeadKey(Cipher cipher, const Key32& key, AeadLibrary library) noexcept
    : backend_(aead_backend(library, cipher)), cipher_(cipher) {
  check(backend_ != nullptr && backend_->context_bytes <= kContextBytes);
  backend_->prepare(context_, key.bytes());
}

AeadKey::~AeadKey() { secure_wipe(context_); }

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
