#include "crypto/hash.h"

#include <sodium.h>

#include "base/check.h"
#include "crypto/key.h"

namespace wanbond {

void blake2b(MutableBytes out, Bytes key, std::initializer_list<Bytes> parts) noexcept {
  // libsodium's own bounds on sizes (16 to 64) are advice; BLAKE2b's are 1 to 64.
  crypto_generichash_state state;
  check(crypto_generichash_init(&state, reinterpret_cast<const unsigned char*>(key.data()),
                                key.size(), out.size()) == 0);
  for (const Bytes part : parts)
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(part.data()),
                              part.size());
  crypto_generichash_final(&state, reinterpret_cast<unsigned char*>(out.data()), out.size());
  sodium_memzero(&state, sizeof state);
}

Hash hmac_blake2b(Bytes key, Bytes first, Bytes second) noexcept {
  static constexpr std::size_t kBlockBytes = 128;
  check(key.size() <= kBlockBytes);
  std::array<std::byte, kBlockBytes> inner_pad;
  std::array<std::byte, kBlockBytes> outer_pad;
  for (std::size_t i = 0; i < kBlockBytes; ++i) {
    const std::byte k = i < key.size() ? key[i] : std::byte{0};
    inner_pad[i] = k ^ std::byte{0x36};
    outer_pad[i] = k ^ std::byte{0x5c};
  }
  Hash inner;
  Hash result;
  blake2b(inner, {}, {inner_pad, first, second});
  blake2b(result, {}, {outer_pad, inner});
  secure_wipe(inner_pad);
  secure_wipe(outer_pad);
  secure_wipe(inner);
  return result;
}

}  // namespace wanbond
