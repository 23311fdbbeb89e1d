#include "crypto/key.h"

#include <doctest/doctest.h>

#include "crypto/hash.h"
#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

TEST_SUITE("key") {
  TEST_CASE("RFC 7748 5.2: X25519 gives the known answers") {
    const SecretKey scalar(
        bytes32(unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")));
    PublicKey point;
    const Buffer u = unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
    std::memcpy(point.bytes.data(), u.data(), 32);
    CHECK(hex(shared_secret(scalar, point)->bytes()) ==
          "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    SecretKey nine;
    nine.bytes()[0] = std::byte{9};
    CHECK(hex(public_key_of(nine).bytes) ==
          "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
  }

  TEST_CASE("X25519 agrees with Wycheproof and refuses points of low order") {
    const auto file = vectors("wycheproof/x25519_test.json");
    if (!file) return;
    std::size_t agreed = 0;
    std::size_t refused = 0;
    for (const Json& group : (*file)["testGroups"].array())
      for (const Json& test : group["tests"].array()) {
        CAPTURE(test["tcId"].integer());
        const auto shared =
            shared_secret(SecretKey(bytes32(unhex(test["private"]))), public_from(test["public"]));
        const std::string expected = test["shared"].string();
        if (expected == std::string(64, '0')) {
          CHECK_FALSE(shared);
          ++refused;
          continue;
        }
        REQUIRE(shared);
        CHECK(hex(shared->bytes()) == expected);
        ++agreed;
      }
    CHECK(agreed == 487);
    CHECK(refused == 31);
  }

  TEST_CASE("a generated scalar is clamped and pairs are all different") {
    SeededRandom random(3);
    PublicKey last;
    for (int i = 0; i < 50; ++i) {
      const KeyPair pair = KeyPair::generate(random);
      const auto bytes = pair.secret.bytes();
      CHECK((bytes[0] & std::byte{7}) == std::byte{0});
      CHECK((bytes[31] & std::byte{0xc0}) == std::byte{0x40});
      CHECK(pair.public_key == public_key_of(pair.secret));
      CHECK(pair.public_key != last);
      last = pair.public_key;
    }
  }

  TEST_CASE("keys survive text") {
    SeededRandom random(4);
    for (int i = 0; i < 50; ++i) {
      const KeyPair pair = KeyPair::generate(random);
      const std::string text = pair.public_key.to_text();
      CHECK(text.size() == kKeyTextChars);
      CHECK(PublicKey::parse(text) == pair.public_key);
      const auto secret = SecretKey::parse(pair.secret.to_text());
      REQUIRE(secret);
      CHECK(*secret == pair.secret);
    }
    CHECK(PublicKey{}.to_text() == "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  }

  TEST_CASE("key text that is not canonical is refused") {
    const std::string good = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
    CHECK(parse_key_text(good));
    const std::string forms[] = {
        "",
        good.substr(0, 43),                          // no padding
        good + "=",                                  // too much
        good + "\n",                                 // a line end
        " " + good.substr(0, 43),                    // white space in front
        good.substr(0, 42) + "p=",                   // nonzero bits behind the last byte
        good.substr(0, 42) + "==",                   // 31 bytes
        good.substr(0, 43) + "A",                    // 33 bytes
        good.substr(0, 20) + "-" + good.substr(21),  // base64url
        good.substr(0, 20) + " " + good.substr(21),  // white space inside
        good.substr(0, 20) + "=" + good.substr(21),  // padding inside
        std::string(42, 'A') + "==",                 // canonical, but 31 bytes
        std::string(40, 'A'),                        // 30 bytes
        std::string(44, 'A'),                        // 33 bytes
        std::string(44, '='),
        std::string(44, '\0'),
    };
    for (const std::string& form : forms) {
      CAPTURE(form);
      CHECK_FALSE(parse_key_text(form));
      CHECK_FALSE(PublicKey::parse(form));
      CHECK_FALSE(SecretKey::parse(form));
    }
    // Every 44th character but '=' is wrong, and of the 43rd's 64 values 16 are canonical.
    std::size_t accepted = 0;
    for (int c = 0; c < 256; ++c) {
      std::string form = good;
      form[42] = static_cast<char>(c);
      accepted += parse_key_text(form) ? 1 : 0;
      form = good;
      form[43] = static_cast<char>(c);
      CHECK(parse_key_text(form).has_value() == (c == '='));
    }
    CHECK(accepted == 16);
  }

  TEST_CASE("a secret is wiped when it ends, and equality looks at every byte") {
    alignas(Key32) std::array<std::byte, sizeof(Key32)> place;
    SeededRandom random(5);
    auto* key = new (place.data()) Key32(Key32::generate(random));
    Key32 other = *key;
    CHECK(*key == other);
    other.bytes()[31] ^= std::byte{1};
    CHECK_FALSE(*key == other);
    key->~Key32();
    volatile const std::byte* after = place.data();
    int left = 0;
    for (std::size_t i = 0; i < place.size(); ++i) left += after[i] != std::byte{0} ? 1 : 0;
    CHECK(left == 0);
    CHECK_FALSE(secure_equal(Bytes(place), Bytes(place).first(31)));
    CHECK(secure_equal({}, {}));
  }

  TEST_CASE("a network key is none or 32 bytes; zeros are not none") {
    CHECK(NetKey().bytes().empty());
    CHECK(NetKey(Key32()).bytes().size() == 32);
  }

  TEST_CASE("RFC 7693: BLAKE2b gives the known answers, keyed and not") {
    std::array<std::byte, 64> out;
    blake2b(out, {}, {label_bytes("abc")});
    CHECK(hex(out) ==
          "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
          "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    Hash parts;
    blake2b(parts, {}, {label_bytes("a"), {}, label_bytes("bc")});
    CHECK(parts == out);
    const auto file = vectors("blake2b/blake2b-kat.json");
    if (!file) return;
    CHECK((*file)["vectors"].array().size() == 48);
    for (const Json& v : (*file)["vectors"].array()) {
      blake2b(out, unhex(v["key"]), {unhex(v["in"])});
      CHECK(hex(out) == v["out"].string());
    }
  }
}
