#include "cipher_choice.h"

#include <algorithm>
#include <cstring>

#include "crypto/aead_backend.h"

namespace wanbond {
namespace {

void null_prepare(MutableBytes, std::span<const std::byte, kKeyBytes>) noexcept {}

void null_seal(Bytes, const AeadNonce&, Bytes, Bytes text, std::byte* out, Tag tag) noexcept {
  if (out != text.data() && !text.empty()) std::memcpy(out, text.data(), text.size());
  std::fill(tag.begin(), tag.end(), std::byte{0});
}

bool null_open(Bytes, const AeadNonce&, Bytes, MutableBytes, ConstTag) noexcept { return true; }

constexpr AeadBackend kNull{0, null_prepare, null_seal, null_open};

CipherWork& present_work() noexcept {
  static CipherWork work = CipherWork::Nothing;
  return work;
}

}  // namespace

void choose_cipher_work(CipherWork work) noexcept { present_work() = work; }

std::vector<BenchCipher> bench_ciphers() {
  std::vector<BenchCipher> ciphers{
      {"null", CipherWork::Nothing, Cipher::Aes256Gcm, AeadLibrary::Sodium}};
  for (const AeadLibrary library : {AeadLibrary::Sodium, AeadLibrary::IpsecMb}) {
    if (!probe_aead(library)) continue;
    const std::string name(aead_library_name(library));
    if (aes_available())
      ciphers.push_back({name + " aes", CipherWork::Real, Cipher::Aes256Gcm, library});
    ciphers.push_back({name + " chacha", CipherWork::Real, Cipher::ChaCha20Poly1305, library});
  }
  return ciphers;
}

const AeadBackend* aead_backend(AeadLibrary library, Cipher cipher) noexcept {
  if (present_work() == CipherWork::Nothing) return &kNull;
  switch (library) {
    case AeadLibrary::Sodium:
      return sodium_aead(cipher);
    case AeadLibrary::IpsecMb:
      return ipsec_mb_aead(cipher);
  }
  return nullptr;
}

}  // namespace wanbond
