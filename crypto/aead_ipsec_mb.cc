// The AEAD back end on Intel's libIPSec_MB, which has code for VAES and AVX-512 that libsodium
// lacks. Only the direct functions are used: they queue nothing and keep nothing between calls.
#include <intel-ipsec-mb.h>

#include <cstring>

#include "crypto/aead_backend.h"

namespace wanbond {
namespace {

/// What the library picked for this processor. Its manager, some 100 KB for job queues, is only
/// needed to ask.
struct Functions {
  std::string_view fault;  // empty: the rest is there
  aes_gcm_pre_t aes_prepare = nullptr;
  aes_gcm_enc_dec_t aes_seal = nullptr;
  aes_gcm_enc_dec_t aes_open = nullptr;
  chacha_poly_init_t chacha_start = nullptr;
  chacha_poly_enc_dec_update_t chacha_seal = nullptr;
  chacha_poly_enc_dec_update_t chacha_open = nullptr;
  chacha_poly_finalize_t chacha_finish = nullptr;
};

/// True when the features of an initialised manager are what this file stands on.
bool is_fit(const IMB_MGR& manager) noexcept {
  constexpr std::uint64_t kNeeded = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
  const bool self_test_failed = (manager.features & IMB_FEATURE_SELF_TEST) != 0 &&
                                (manager.features & IMB_FEATURE_SELF_TEST_PASS) == 0;
  return (manager.features & kNeeded) == kNeeded &&
         (manager.features & IMB_FEATURE_AESNI_EMU) == 0 && !self_test_failed;
}

Functions ask_library() noexcept {
  IMB_MGR* const manager = alloc_mb_mgr(0);
  if (manager == nullptr) return {.fault = "libIPSec_MB could not start: no memory"};
  init_mb_mgr_auto(manager, nullptr);
  Functions found{.fault = "the processor lacks AES instructions"};
  if (is_fit(*manager) && sodium_aead(Cipher::Aes256Gcm) != nullptr) {
    found = {.aes_prepare = manager->gcm256_pre,
             .aes_seal = manager->gcm256_enc,
             .aes_open = manager->gcm256_dec,
             .chacha_start = manager->chacha20_poly1305_init,
             .chacha_seal = manager->chacha20_poly1305_enc_update,
             .chacha_open = manager->chacha20_poly1305_dec_update,
             .chacha_finish = manager->chacha20_poly1305_finalize};
  }
  free_mb_mgr(manager);
  return found;
}

/// A constant of this machine, found out at the first call.
const Functions& functions() noexcept {
  static const Functions found = ask_library();
  return found;
}

std::uint8_t* raw(std::byte* bytes) noexcept { return reinterpret_cast<std::uint8_t*>(bytes); }
const std::uint8_t* raw(const std::byte* bytes) noexcept {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}

// The library takes no null pointers, not even with 0 bytes: it returns without a word. Where there
// is no text they point to the tag.
std::uint8_t* output(Bytes text, std::byte* out, Tag tag) noexcept {
  return raw(text.empty() ? tag.data() : out);
}
const std::uint8_t* input(Bytes text, ConstTag tag) noexcept {
  return raw(text.empty() ? tag.data() : text.data());
}
const std::uint8_t* associated(Bytes ad, const AeadNonce& nonce) noexcept {
  return raw(ad.empty() ? nonce.data() : ad.data());
}

using MadeTag = std::array<std::byte, kTagBytes>;

/// What the tag of a packet to open is computed into. It starts as every bit of `tag` inverted, so
/// that a call that computed nothing is a tag that is wrong.
MadeTag unlike(ConstTag tag) noexcept {
  MadeTag made;
  for (std::size_t i = 0; i < made.size(); ++i) made[i] = ~tag[i];
  return made;
}

/// The end of every open(): the text is decrypted already, and stays only if the tags agree.
bool release(MutableBytes text, const MadeTag& made, ConstTag tag) noexcept {
  if (secure_equal(made, tag)) return true;
  secure_wipe(text);
  return false;
}

// The key type wants 64-byte alignment, which AeadKey gives.
const gcm_key_data* aes_key(Bytes context) noexcept {
  return reinterpret_cast<const gcm_key_data*>(context.data());
}

void aes_prepare(MutableBytes context, std::span<const std::byte, kKeyBytes> key) noexcept {
  functions().aes_prepare(raw(key.data()), reinterpret_cast<gcm_key_data*>(context.data()));
}

void aes_seal(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out,
              Tag tag) noexcept {
  gcm_context_data scratch;
  functions().aes_seal(aes_key(context), &scratch, output(text, out, tag), input(text, tag),
                       text.size(), raw(nonce.data()), associated(ad, nonce), ad.size(),
                       raw(tag.data()), tag.size());
}

bool aes_open(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
              ConstTag tag) noexcept {
  MadeTag made = unlike(tag);
  gcm_context_data scratch;
  functions().aes_open(aes_key(context), &scratch, output(text, text.data(), made),
                       input(text, tag), text.size(), raw(nonce.data()), associated(ad, nonce),
                       ad.size(), raw(made.data()), made.size());
  return release(text, made, tag);
}

void chacha_prepare(MutableBytes context, std::span<const std::byte, kKeyBytes> key) noexcept {
  std::memcpy(context.data(), key.data(), key.size());
}

void chacha_seal(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out,
                 Tag tag) noexcept {
  const Functions& library = functions();
  chacha20_poly1305_context_data scratch;
  library.chacha_start(context.data(), &scratch, nonce.data(), associated(ad, nonce), ad.size());
  library.chacha_seal(context.data(), &scratch, output(text, out, tag), input(text, tag),
                      text.size());
  library.chacha_finish(&scratch, tag.data(), tag.size());
}

bool chacha_open(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
                 ConstTag tag) noexcept {
  const Functions& library = functions();
  MadeTag made = unlike(tag);
  chacha20_poly1305_context_data scratch;
  library.chacha_start(context.data(), &scratch, nonce.data(), associated(ad, nonce), ad.size());
  library.chacha_open(context.data(), &scratch, output(text, text.data(), made), input(text, tag),
                      text.size());
  library.chacha_finish(&scratch, made.data(), made.size());
  return release(text, made, tag);
}

constexpr AeadBackend kChaCha{kKeyBytes, chacha_prepare, chacha_seal, chacha_open};
constexpr AeadBackend kAes{sizeof(gcm_key_data), aes_prepare, aes_seal, aes_open};

}  // namespace

std::string_view ipsec_mb_fault() noexcept { return functions().fault; }

const AeadBackend* ipsec_mb_aead(Cipher cipher) noexcept {
  if (!ipsec_mb_fault().empty()) return nullptr;
  switch (cipher) {
    case Cipher::ChaCha20Poly1305:
      return &kChaCha;
    case Cipher::Aes256Gcm:
      return &kAes;
  }
  return nullptr;
}

}  // namespace wanbond
