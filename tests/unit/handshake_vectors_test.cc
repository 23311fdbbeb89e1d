#include <doctest/doctest.h>

#include "crypto/handshake.h"
#include "crypto/hash.h"
#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

/// The vectors of wire version 1, with the messages they lead to.
void run_version_1(const Json& v) {
  const LocalIdentity initiator(KeyPair::from(secret_from<SecretKey>(v["static_i_priv"])), {});
  const LocalIdentity responder(KeyPair::from(secret_from<SecretKey>(v["static_r_priv"])), {});
  CHECK(hex(initiator.public_key().bytes) == v["static_i_pub"].string());
  CHECK(hex(responder.public_key().bytes) == v["static_r_pub"].string());
  const auto psk = secret_from<PresharedKey>(v["psk"]);
  const auto to_responder = RemoteIdentity::make(initiator, responder.public_key(), psk).value();
  const auto to_initiator = RemoteIdentity::make(responder, initiator.public_key(), psk).value();

  const InitPayload offer{.timestamp = tai64n(WallTime{1'767'225'600'000'000'000 + 3 * 16'777'216}),
                          .cipher_offer = 3,
                          .features = 7,
                          .cid_base = static_cast<std::uint32_t>(v["cid_initiator"].integer()),
                          .highest_path = 63,
                          .payload_bytes_max = 1500,
                          .boot_id = 0x1122334455667788};
  Buffer payload(kInitPayloadBytes);
  write_init_payload(offer, payload);
  CHECK(hex(payload) == v["hs_init_payload"].string());

  ScriptedRandom random(unhex(v["eph_i_priv"]));
  const InitiatorHandshake handshake(initiator, to_responder, offer, random);
  CHECK(hex(handshake.message()) == v["hs_init"].string());

  auto received = ReceivedInit::read(responder, handshake.message());
  REQUIRE(received);
  CHECK(received->peer() == initiator.public_key());
  CHECK(received->read_payload(to_initiator) == offer);
  const RespPayload choice{.cipher = Cipher::ChaCha20Poly1305,
                           .features = 3,
                           .cid_base = static_cast<std::uint32_t>(v["cid_responder"].integer()),
                           .highest_path = 63,
                           .payload_bytes_max = 1500,
                           .boot_id = 0x99aabbccddeeff00};
  Buffer resp_payload(kRespPayloadBytes);
  write_resp_payload(choice, resp_payload);
  CHECK(hex(resp_payload) == v["hs_resp_payload"].string());
  random.add(unhex(v["eph_r_priv"]));
  const auto answer = received->respond(to_initiator, choice, random);
  REQUIRE(answer);
  CHECK(hex(answer->message) == v["hs_resp"].string());
  const auto completed = handshake.consume_response(unhex(v["hs_resp"]));
  REQUIRE(completed);
  CHECK(completed->payload == choice);
  const std::string sent = v["k_i2r_chacha20-poly1305"].string();
  const std::string got = v["k_r2i_chacha20-poly1305"].string();
  CHECK(hex(completed->keys.send.bytes()) == sent);
  CHECK(hex(completed->keys.receive.bytes()) == got);
  CHECK(hex(answer->keys.receive.bytes()) == sent);
  CHECK(hex(answer->keys.send.bytes()) == got);
}

/// The packets of the vectors: each opens under its key and seals to the same bytes.
void run_packets(const Json& v) {
  std::size_t count = 0;
  for (const Json& packet : v["packets"].array()) {
    const std::string name = packet["cipher"].string();
    const Cipher cipher = name == "aes-256-gcm" ? Cipher::Aes256Gcm : Cipher::ChaCha20Poly1305;
    if (cipher == Cipher::Aes256Gcm && !aes_available()) continue;
    const AeadKey key(cipher, secret_from<Key32>(v["k_i2r_" + name]));
    const PathId path{static_cast<std::uint8_t>(packet["path"].integer())};
    const auto number = static_cast<std::uint32_t>(packet["pn"].integer());
    const Buffer wire = unhex(packet["packet"]);
    const Buffer text = unhex(packet["plaintext"]);
    const std::size_t clear = wire.size() - kTagBytes - text.size();
    const Bytes ad = Bytes(wire).first(clear);

    Buffer sealed(text.size() + kTagBytes);
    key.seal_to(packet_nonce(path, number), ad, text, sealed);
    CHECK(hex(sealed) == hex(Bytes(wire).subspan(clear)));
    Buffer opened(wire.begin() + static_cast<std::ptrdiff_t>(clear), wire.end());
    const auto body = MutableBytes(opened).first(text.size());
    REQUIRE(key.open(packet_nonce(path, number), ad, body, Bytes(wire).last<kTagBytes>()));
    CHECK(hex(body) == hex(text));
    ++count;
  }
  CHECK(count == (aes_available() ? 10 : 5));
}

}  // namespace

TEST_SUITE("handshake_vectors") {
  TEST_CASE("gives the bytes of wire version 1") {
    const auto own = read_json(WANBOND_TEST_DATA "/wanbond-v1.json");
    REQUIRE(own);
    run_version_1(*own);
    run_packets(*own);
    if (const auto shared = vectors("wanbond/wanbond-v1-draft.json")) {
      run_version_1(*shared);
      run_packets(*shared);
    }
  }

  TEST_CASE("the AES traffic keys are those of wire version 1, and not the ChaCha ones") {
    if (!aes_available()) return;
    const auto v = *read_json(WANBOND_TEST_DATA "/wanbond-v1.json");
    // The vectors fix the AES keys for the transcript with ChaCha chosen, so only the last step is
    // comparable: BLAKE2b(T1, label || 1 || h).
    const Buffer h = unhex(v["handshake_hash"]);
    const std::byte id{1};
    Key32 key;
    blake2b(key.bytes(), unhex(v["split_t1"]), {label_bytes("wanbond1-data"), {&id, 1}, h});
    CHECK(hex(key.bytes()) == v["k_i2r_aes-256-gcm"].string());
  }

  TEST_CASE("a cipher is chosen only when both sides want it") {
    const std::uint16_t chacha = cipher_bit(Cipher::ChaCha20Poly1305);
    const std::uint16_t aes = cipher_bit(Cipher::Aes256Gcm);
    const bool has_aes = aes_available();
    CHECK(cipher_offer(CipherPolicy::Auto) == (has_aes ? 3 : 1));
    CHECK(cipher_offer(CipherPolicy::Aes) == (has_aes ? aes : 0));
    CHECK(cipher_offer(CipherPolicy::ChaCha) == chacha);
    const auto best = has_aes ? Cipher::Aes256Gcm : Cipher::ChaCha20Poly1305;
    CHECK(choose_cipher(chacha | aes, CipherPolicy::Auto) == best);
    CHECK(choose_cipher(0xffff, CipherPolicy::Auto) == best);
    CHECK(choose_cipher(chacha, CipherPolicy::Auto) == Cipher::ChaCha20Poly1305);
    CHECK(choose_cipher(chacha | aes, CipherPolicy::ChaCha) == Cipher::ChaCha20Poly1305);
    CHECK_FALSE(choose_cipher(chacha, CipherPolicy::Aes));
    CHECK_FALSE(choose_cipher(aes, CipherPolicy::ChaCha));
    CHECK_FALSE(choose_cipher(0, CipherPolicy::Auto));
    CHECK_FALSE(choose_cipher(0xfffc, CipherPolicy::Auto));
  }

  TEST_CASE("time stamps keep the order of time and show it in steps of 2^24 ns") {
    CHECK(hex(tai64n(WallTime{0})) == "400000000000000a00000000");
    CHECK(hex(tai64n(WallTime{-1})) == "40000000000000093b000000");
    CHECK(hex(tai64n(WallTime{1'767'225'600'050'331'648})) == "400000006955b90a03000000");
    CHECK(tai64n(WallTime{16'777'215}) == tai64n(WallTime{0}));
    Tai64n last = tai64n(WallTime{-3'000'000'000});
    for (std::int64_t t = -2'980'000'000; t < 3'000'000'000; t += 20'000'000) {
      const Tai64n stamp = tai64n(WallTime{t});
      CHECK(stamp > last);
      last = stamp;
    }
  }
}
