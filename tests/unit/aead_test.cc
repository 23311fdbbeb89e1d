#include "crypto/aead.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "crypto/aead_backend.h"
#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

/// A cipher of a library that this machine has.
struct Case {
  AeadLibrary library;
  Cipher cipher;
};

/// All of them; those of one cipher where that is asked for. What fails its self-test is here too:
/// these tests are to find it.
std::vector<Case> cases(std::optional<Cipher> only = std::nullopt) {
  std::vector<AeadLibrary> libraries{AeadLibrary::Sodium, AeadLibrary::IpsecMb};
  if (!ipsec_mb_fault().empty()) {
    MESSAGE("skipped: libIPSec_MB: ", ipsec_mb_fault());
    libraries.pop_back();
  }
  std::vector<Case> found;
  for (const AeadLibrary library : libraries) {
    for (const Cipher cipher : {Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm})
      if (only.value_or(cipher) == cipher && aead_backend(library, cipher) != nullptr)
        found.push_back({library, cipher});
  }
  return found;
}

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
}

/// A backend's key: its context where AeadKey would have it.
class Raw {
 public:
  Raw(const AeadBackend& backend, std::span<const std::byte, kKeyBytes> key) : backend_(backend) {
    backend_.prepare(context_, key);
  }
  void seal(const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out, Tag tag) const {
    backend_.seal(context_, nonce, ad, text, out, tag);
  }
  bool open(const AeadNonce& nonce, Bytes ad, MutableBytes text, ConstTag tag) const {
    return backend_.open(context_, nonce, ad, text, tag);
  }

 private:
  alignas(64) std::array<std::byte, 1024> context_{};
  const AeadBackend& backend_;
};

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

void run_cipher(const Json& test, bool valid, const Case& one) {
  const Raw key(*aead_backend(one.library, one.cipher), bytes32(unhex(test["key"])));
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
    key.seal(nonce, ad, text, sealed.data(), made);
    CHECK(hex(sealed) == hex(body));
    CHECK(hex(made) == hex(tag));
  }
  const bool opened = key.open(nonce, ad, body, Bytes(tag).first<kTagBytes>());
  CHECK(opened == valid);
  CHECK(body == (valid ? text : Buffer(body.size())));
}

// Libraries that are almost right, on top of libsodium's ChaCha20-Poly1305.
const AeadBackend& right() { return *sodium_aead(Cipher::ChaCha20Poly1305); }

void seal_wrong_at_a_length(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text,
                            std::byte* out, Tag tag) noexcept {
  right().seal(context, nonce, ad, text, out, tag);
  if (text.size() == 1025) out[1024] ^= std::byte{1};
}
void seal_with_short_tag(Bytes context, const AeadNonce& nonce, Bytes ad, Bytes text,
                         std::byte* out, Tag tag) noexcept {
  right().seal(context, nonce, ad, text, out, tag);
  tag[15] = std::byte{};
}
bool open_anything(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
                   ConstTag) noexcept {
  std::array<std::byte, kTagBytes> unused;
  right().seal(context, nonce, ad, text, text.data(), unused);  // a stream cipher: this decrypts
  return true;
}
bool open_and_release(Bytes context, const AeadNonce& nonce, Bytes ad, MutableBytes text,
                      ConstTag tag) noexcept {
  const Buffer before(text.begin(), text.end());
  const bool good = right().open(context, nonce, ad, text, tag);
  if (!good) std::ranges::copy(before, text.begin());
  return good;
}
bool open_nothing(Bytes, const AeadNonce&, Bytes, MutableBytes, ConstTag) noexcept { return false; }

}  // namespace

TEST_SUITE("aead") {
  TEST_CASE("the self-test refuses a library that is wrong in one place") {
    CHECK(aead_agrees(right(), right()));
    AeadBackend wrong = right();
    SUBCASE("one length") { wrong.seal = seal_wrong_at_a_length; }
    SUBCASE("one byte of the tag") { wrong.seal = seal_with_short_tag; }
    SUBCASE("forged tags are good") { wrong.open = open_anything; }
    SUBCASE("forged text is released") { wrong.open = open_and_release; }
    SUBCASE("good tags are refused") { wrong.open = open_nothing; }
    SUBCASE("a context too big") { wrong.context_bytes = 4096; }
    CHECK_FALSE(aead_agrees(wrong, right()));
  }

  TEST_CASE("ChaCha20-Poly1305 agrees with Wycheproof") {
    const auto file = vectors("wycheproof/chacha20_poly1305_test.json");
    if (!file) return;
    for (const Case& one : cases(Cipher::ChaCha20Poly1305)) {
      const Tally tally = run_wycheproof(
          *file, 96, [&](const Json& test, bool valid) { run_cipher(test, valid, one); });
      CHECK(tally.valid + tally.invalid == 316);
      CHECK(tally.invalid > 0);
    }
  }

  TEST_CASE("AES-256-GCM agrees with Wycheproof") {
    const auto file = vectors("wycheproof/aes_gcm_test.json");
    if (!file) return;
    for (const Case& one : cases(Cipher::Aes256Gcm)) {
      const Tally tally = run_wycheproof(
          *file, 96, [&](const Json& test, bool valid) { run_cipher(test, valid, one); });
      CHECK(tally.valid + tally.invalid == 66);
      CHECK(tally.invalid > 0);
    }
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
    for (const auto& [library, cipher] : cases()) {
      const AeadNonce nonce =
          cipher == Cipher::ChaCha20Poly1305
              ? AeadNonce{{{}, {}, {}, {}, std::byte{7}, {}, {}, {}, std::byte{5}, {}, {}, {}}}
              : AeadNonce{{{}, {}, {}, {}, {}, {}, {}, std::byte{5}, {}, {}, {}, std::byte{7}}};
      Buffer expected(20 + kTagBytes);
      Raw(*sodium_aead(cipher), key.bytes())
          .seal(nonce, {}, Buffer(20), expected.data(), MutableBytes(expected).last<kTagBytes>());
      Buffer sealed(20 + kTagBytes);
      AeadKey(cipher, key, library).seal_to(packet_nonce(PathId{5}, 7), {}, Buffer(20), sealed);
      CHECK(sealed == expected);
    }
  }

  TEST_CASE("seals and opens in place at every alignment") {
    SeededRandom random(2);
    const Key32 key = Key32::generate(random);
    const Buffer ad(8, std::byte{9});
    for (const auto& [library, cipher] : cases()) {
      const AeadKey aead(cipher, key, library);
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
    for (const auto& [library, cipher] : cases()) {
      const AeadKey aead(cipher, key, library);
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
      const AeadKey other(cipher, Key32::generate(random), library);
      CHECK(refused(other, 77, good));
      CHECK_FALSE(refused(aead, 77, good));
    }
  }

  TEST_CASE("every library seals every length to libsodium's bytes and opens them") {
    SeededRandom random(4);
    const Key32 key = Key32::generate(random);
    Buffer text(3000), ad(64), expected(text.size()), made(text.size() + 1), place(text.size());
    random.fill(text);
    random.fill(ad);
    std::array<std::byte, kTagBytes> expected_tag, tag;
    for (const auto& [library, cipher] : cases()) {
      const Raw sodium(*sodium_aead(cipher), key.bytes());
      const Raw other(*aead_backend(library, cipher), key.bytes());
      for (std::size_t size = 0; size <= text.size(); ++size) {
        CAPTURE(size);
        const AeadNonce nonce{std::byte(size), std::byte(size >> 8)};
        const Bytes ad_part = Bytes(ad).first(size % (ad.size() + 1));
        const Bytes source = Bytes(text).first(size);
        sodium.seal(nonce, ad_part, source, expected.data(), expected_tag);
        const MutableBytes beside = MutableBytes(made).subspan(size % 2, size);
        other.seal(nonce, ad_part, source, beside.data(), tag);
        REQUIRE(std::ranges::equal(beside, Bytes(expected).first(size)));
        REQUIRE(tag == expected_tag);
        const MutableBytes body = MutableBytes(place).first(size);
        std::ranges::copy(source, body.begin());
        other.seal(nonce, ad_part, body, body.data(), tag);
        REQUIRE(std::ranges::equal(body, Bytes(expected).first(size)));
        REQUIRE(tag == expected_tag);
        REQUIRE(other.open(nonce, ad_part, body, tag));
        REQUIRE(std::ranges::equal(body, source));
        tag[size % kTagBytes] ^= std::byte{0x80};
        std::ranges::copy(Bytes(expected).first(size), body.begin());
        REQUIRE_FALSE(other.open(nonce, ad_part, body, tag));
        REQUIRE(is_zero(body));
      }
    }
  }

  TEST_CASE("threads may share a key") {
    SeededRandom random(5);
    const Key32 key = Key32::generate(random);
    for (const auto& [library, cipher] : cases()) {
      const AeadKey aead(cipher, key, library);
      std::array<std::size_t, 2> good{};
      auto work = [&aead](std::uint64_t first, std::size_t& count) {
        Buffer text(700);
        std::array<std::byte, kTagBytes> tag;
        for (std::uint64_t nonce = first; nonce < first + 2000; ++nonce) {
          aead.seal(nonce, {}, text, tag);
          count += aead.open(nonce, {}, text, tag) && text == Buffer(700) ? 1 : 0;
        }
      };
      std::thread beside(work, 0, std::ref(good[0]));
      work(1'000'000, good[1]);
      beside.join();
      CHECK(good == std::array<std::size_t, 2>{2000, 2000});
    }
  }

  TEST_CASE("a key that ends leaves nothing of itself in memory") {
    SeededRandom random(6);
    const Key32 key = Key32::generate(random);
    for (const auto& [library, cipher] : cases()) {
      alignas(AeadKey) std::array<std::byte, sizeof(AeadKey)> memory{};
      AeadKey* const aead =
          std::construct_at(reinterpret_cast<AeadKey*>(memory.data()), cipher, key, library);
      auto used = [&memory] {
        return std::ranges::count_if(memory, [](std::byte b) { return b != std::byte{}; });
      };
      CHECK(used() > 30);
      std::destroy_at(aead);
      CHECK(used() <= 9);  // the pointer to the back end, and which cipher it was
    }
  }

  TEST_CASE("without a wish the fastest library that works is chosen; a wish is met or refused") {
    CHECK(choose_aead(AeadLibrary::Sodium).value() == AeadLibrary::Sodium);
    const bool works = probe_aead(AeadLibrary::IpsecMb).has_value();
    CHECK(choose_aead(std::nullopt).value() ==
          (works ? AeadLibrary::IpsecMb : AeadLibrary::Sodium));
    const auto wished = choose_aead(AeadLibrary::IpsecMb);
    CHECK(wished.has_value() == works);
    if (!works) CHECK(wished.error().message.starts_with("libIPSec_MB: "));
    CHECK(works == ipsec_mb_fault().empty());
  }
}
