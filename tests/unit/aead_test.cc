#include "crypto/aead.h"

#include <doctest/doctest.h>

#include "crypto/aead_backend.h"
#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

constexpr Cipher kCiphers[] = {Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm};

bool usable(Cipher cipher) { return cipher != Cipher::Aes256Gcm || aes_available(); }

/// Counts of a Wycheproof file: valid ones that agree both ways, invalid ones that are refused.
struct Tally {
  std::size_t valid = 0;
  std::size_t invalid = 0;
};

template <class SealAndOpen>
Tally run_wycheproof(const Json& file, long long iv_bits, SealAndOpen seal_and_open) {
  Tally tally;
  for (const Json& group : file["testGroups"].array()) {
    if (group["ivSize"].integer() != iv_bits || group["keySize"].integer() != 256 ||
        group["tagSize"].integer() != 128)
      continue;
    for (const Json& test : group["tests"].array()) {
      CAPTURE(test["tcId"].integer());
      const bool valid = test["result"].string() == "valid";
      seal_and_open(test, valid);
      ++(valid ? tally.valid : tally.invalid);
    }
  }
  return tally;
}

void run_cipher(const Json& test, bool valid, Cipher cipher) {
  alignas(64) std::array<std::byte, 512> context{};
  const AeadBackend& backend = *sodium_aead(cipher);
  backend.prepare(context, bytes32(unhex(test["key"])));
  AeadNonce nonce;
  const Buffer iv = unhex(test["iv"]);
  std::copy(iv.begin(), iv.end(), nonce.begin());
  const Buffer ad = unhex(test["aad"]);
  const Buffer text = unhex(test["msg"]);
  const Buffer tag = unhex(test["tag"]);
  Buffer body = unhex(test["ct"]);
  if (valid) {
    Buffer sealed(text.size());
    std::array<std::byte, kTagBytes> made;
    backend.seal(context, nonce, ad, text, sealed.data(), made);
    CHECK(hex(sealed) == hex(body));
    CHECK(hex(made) == hex(tag));
  }
  const bool opened = backend.open(context, nonce, ad, body, Bytes(tag).first<kTagBytes>());
  CHECK(opened == valid);
  CHECK(body == (valid ? text : Buffer(body.size())));
}

}  // namespace

TEST_SUITE("aead") {
  TEST_CASE("ChaCha20-Poly1305 agrees with Wycheproof") {
    const auto file = vectors("wycheproof/chacha20_poly1305_test.json");
    if (!file) return;
    const Tally tally = run_wycheproof(*file, 96, [](const Json& test, bool valid) {
      run_cipher(test, valid, Cipher::ChaCha20Poly1305);
    });
    CHECK(tally.valid + tally.invalid == 316);
    CHECK(tally.invalid > 0);
  }

  TEST_CASE("AES-256-GCM agrees with Wycheproof") {
    const auto file = vectors("wycheproof/aes_gcm_test.json");
    if (!file || !aes_available()) return;
    const Tally tally = run_wycheproof(*file, 96, [](const Json& test, bool valid) {
      run_cipher(test, valid, Cipher::Aes256Gcm);
    });
    CHECK(tally.valid + tally.invalid == 66);
    CHECK(tally.invalid > 0);
  }

  TEST_CASE("XChaCha20-Poly1305 agrees with Wycheproof") {
    const auto file = vectors("wycheproof/xchacha20_poly1305_test.json");
    if (!file) return;
    const Tally tally = run_wycheproof(*file, 192, [](const Json& test, bool valid) {
      const Key32 key(bytes32(unhex(test["key"])));
      const Buffer nonce = unhex(test["iv"]);
      const Buffer ad = unhex(test["aad"]);
      const Buffer text = unhex(test["msg"]);
      Buffer sealed = unhex(test["ct"]);
      const Buffer tag = unhex(test["tag"]);
      sealed.insert(sealed.end(), tag.begin(), tag.end());
      const XChaCha cipher{key, Bytes(nonce).first<24>(), ad};
      if (valid) {
        Buffer made(text.size() + kTagBytes);
        cipher.seal(text, made);
        CHECK(made == sealed);
      }
      Buffer out(sealed.size() - kTagBytes);
      CHECK(cipher.open(sealed, out) == valid);
      if (valid) CHECK(out == text);
    });
    CHECK(tally.valid + tally.invalid == 306);
    CHECK(tally.invalid > 0);
  }

  TEST_CASE("the nonce is 4 zero bytes, then the counter, little-endian for ChaCha, big for AES") {
    CHECK(packet_nonce(PathId{5}, 7) == 0x0000000500000007);
    CHECK(packet_nonce(PathId{63}, 0xffffffff) == 0x0000003fffffffff);
    SeededRandom random(1);
    const Key32 key = Key32::generate(random);
    for (const Cipher cipher : kCiphers) {
      if (!usable(cipher)) continue;
      const AeadNonce nonce =
          cipher == Cipher::ChaCha20Poly1305
              ? AeadNonce{{{}, {}, {}, {}, std::byte{7}, {}, {}, {}, std::byte{5}, {}, {}, {}}}
              : AeadNonce{{{}, {}, {}, {}, {}, {}, {}, std::byte{5}, {}, {}, {}, std::byte{7}}};
      alignas(64) std::array<std::byte, 512> context{};
      sodium_aead(cipher)->prepare(context, key.bytes());
      Buffer expected(20 + kTagBytes);
      sodium_aead(cipher)->seal(context, nonce, {}, Buffer(20), expected.data(),
                                MutableBytes(expected).last<kTagBytes>());
      Buffer sealed(20 + kTagBytes);
      AeadKey(cipher, key).seal_to(packet_nonce(PathId{5}, 7), {}, Buffer(20), sealed);
      CHECK(sealed == expected);
    }
  }

  TEST_CASE("seals and opens in place at every alignment") {
    SeededRandom random(2);
    const Key32 key = Key32::generate(random);
    const Buffer ad(8, std::byte{9});
    for (const Cipher cipher : kCiphers) {
      if (!usable(cipher)) continue;
      const AeadKey aead(cipher, key);
      for (std::size_t offset = 0; offset < 64; ++offset)
        for (const unsigned size : {0U, 1U, 15U, 16U, 17U, 63U, 64U, 65U, 255U, 1428U}) {
          Buffer text(size);
          random.fill(text);
          Buffer expected(size + kTagBytes);
          aead.seal_to(offset, ad, text, expected);
          Buffer place(offset + size + kTagBytes);
          const MutableBytes body = MutableBytes(place).subspan(offset, size);
          const Tag tag = MutableBytes(place).last<kTagBytes>();
          std::copy(text.begin(), text.end(), body.begin());
          aead.seal(offset, ad, body, tag);
          REQUIRE(hex(Bytes(place).subspan(offset)) == hex(expected));
          REQUIRE(aead.open(offset, ad, body, tag));
          REQUIRE(hex(body) == hex(text));
        }
    }
  }

  TEST_CASE("a flipped bit anywhere, another nonce or key: refused, and nothing is released") {
    SeededRandom random(3);
    const Key32 key = Key32::generate(random);
    for (const Cipher cipher : kCiphers) {
      if (!usable(cipher)) continue;
      const AeadKey aead(cipher, key);
      // 8 bytes of associated data, 24 of text, 16 of tag in one buffer.
      Buffer good(48);
      random.fill(MutableBytes(good).first(32));
      aead.seal(77, Bytes(good).first(8), MutableBytes(good).subspan(8, 24),
                MutableBytes(good).last<kTagBytes>());
      auto refused = [](const AeadKey& with, std::uint64_t nonce, const Buffer& packet) {
        Buffer copy = packet;
        const bool opened =
            with.open(nonce, Bytes(copy).first(8), MutableBytes(copy).subspan(8, 24),
                      Bytes(copy).last<kTagBytes>());
        const Bytes text = Bytes(copy).subspan(8, 24);
        return !opened && hex(text) == std::string(48, '0');
      };
      for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        Buffer packet = good;
        packet[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
        CHECK(refused(aead, 77, packet));
      }
      for (unsigned bit = 0; bit < 64; ++bit)
        CHECK(refused(aead, 77 ^ (std::uint64_t{1} << bit), good));
      const AeadKey other(cipher, Key32::generate(random));
      CHECK(refused(other, 77, good));
      CHECK_FALSE(refused(aead, 77, good));
    }
  }

  TEST_CASE("says which library computes") {
    CHECK(AeadKey(Cipher::ChaCha20Poly1305, Key32()).backend_name() == "libsodium");
  }
}
