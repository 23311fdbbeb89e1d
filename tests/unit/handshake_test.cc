#include "crypto/handshake.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "crypto/cookie.h"
#include "crypto/hash.h"
#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

constexpr std::uint32_t kInitiatorCid = 0x0155c0;
constexpr std::uint32_t kResponderCid = 0x2a0340;

/// Two nodes that know each other, with everything a test wants to change in the open.
struct Pair {
  SeededRandom random{1};
  KeyPair initiator_keys = KeyPair::generate(random);
  KeyPair responder_keys = KeyPair::generate(random);
  PresharedKey psk = PresharedKey::generate(random);
  LocalIdentity initiator{initiator_keys, {}};
  LocalIdentity responder{responder_keys, {}};
  RemoteIdentity to_responder =
      RemoteIdentity::make(initiator, responder_keys.public_key, psk).value();
  RemoteIdentity to_initiator =
      RemoteIdentity::make(responder, initiator_keys.public_key, psk).value();
  InitPayload offer{.timestamp = tai64n(WallTime{1'767'225'600'000'000'000}),
                    .cipher_offer = 3,
                    .features = kFeaturePassive,
                    .cid_base = kInitiatorCid,
                    .highest_path = 63,
                    .payload_bytes_max = 1500,
                    .boot_id = 0x1122334455667788,
                    .retry_echo = 7};
  RespPayload choice{.cipher = Cipher::ChaCha20Poly1305,
                     .features = 0,
                     .cid_base = kResponderCid,
                     .highest_path = 3,
                     .payload_bytes_max = 1400,
                     .boot_id = 0x99aabbccddeeff00};

  InitiatorHandshake begin() { return InitiatorHandshake(initiator, to_responder, offer, random); }
  /// The responder's three steps; none where one refuses.
  std::optional<ReceivedInit::Answer> answer(Bytes message) {
    auto received = ReceivedInit::read(responder, message);
    if (!received || !received->read_payload(to_initiator)) return std::nullopt;
    return received->respond(to_initiator, choice, random);
  }
};

void flip(MutableBytes bytes, std::size_t bit) {
  bytes[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
}

/// The seven points of low order (little-endian): 0, 1, two of order 8, p-1, p, p+1.
const char* const kLowOrder[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};

/// Noise by hand, so that a test can put into an authentic message what our own side never would:
/// the state before the first message.
NoiseSymmetric prepared(const Pair& pair) {
  NoiseSymmetric symmetric("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b", Cipher::ChaCha20Poly1305);
  symmetric.mix_hash(label_bytes("wanbond v1"));
  symmetric.mix_hash(pair.responder_keys.public_key.bytes);
  return symmetric;
}

NoiseHandshake forged_initiator(const Pair& pair) {
  return {NoiseRole::Initiator, prepared(pair),
          NoiseKeys{pair.initiator_keys, pair.responder_keys.public_key, {}, NoisePsk::Used}};
}

/// An HS_INIT of the true initiator with any payload bytes and any clear cid base.
InitMessage init_with(Pair& pair, std::uint32_t clear_cid, Bytes payload) {
  NoiseHandshake noise = forged_initiator(pair);
  InitMessage message{};
  ByteWriter writer(message);
  writer.u8(0x71);
  writer.u8(1);
  writer.u16(0);
  writer.u32(clear_cid);
  noise.write_e(writer, pair.random);
  REQUIRE(noise.mix_dh(NoiseToken::Es));
  noise.write_s(writer);
  REQUIRE(noise.mix_dh(NoiseToken::Ss));
  noise.symmetric().encrypt(payload, writer.reserve(56));
  write_mac1(pair.responder.guard(), message);
  return message;
}

/// An HS_RESP and the Noise state behind it.
struct ForgedResp {
  RespMessage message;
  NoiseSymmetric::Split split;
  Hash handshake_hash;
};

/// An HS_RESP of the true responder to `init` with any payload bytes and any clear cid base.
ForgedResp forge_resp(Pair& pair, const InitMessage& init, std::uint32_t clear_cid, Bytes payload) {
  NoiseHandshake noise(NoiseRole::Responder, prepared(pair),
                       NoiseKeys{pair.responder_keys, {}, {}, NoisePsk::Used});
  ByteReader reader(Bytes(init).subspan(8));
  REQUIRE(noise.read_e(reader));
  REQUIRE(noise.mix_dh(NoiseToken::Es));
  REQUIRE(noise.read_s(reader));
  REQUIRE(noise.mix_dh(NoiseToken::Ss));
  std::array<std::byte, 40> ignored;
  REQUIRE(noise.symmetric().decrypt(reader.take(56), ignored));
  RespMessage message{};
  ByteWriter writer(message);
  writer.u8(0x72);
  writer.u8(1);
  writer.u16(0);
  writer.u32(clear_cid);
  writer.u32(first_cid_base(init));
  noise.write_e(writer, pair.random);
  REQUIRE(noise.mix_dh(NoiseToken::Ee));
  REQUIRE(noise.mix_dh(NoiseToken::Se));
  noise.mix_psk(pair.psk);
  noise.symmetric().encrypt(payload, writer.reserve(40));
  write_mac1(pair.initiator.guard(), message);
  return {message, noise.symmetric().split(), noise.symmetric().handshake_hash()};
}

}  // namespace

TEST_SUITE("handshake") {
  TEST_CASE("both sides agree, with either cipher") {
    for (const Cipher cipher : {Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm}) {
      Pair pair;
      pair.choice.cipher = cipher;
      const auto handshake = pair.begin();
      const auto answer = pair.answer(handshake.message());
      REQUIRE(answer);
      const auto completed = handshake.consume_response(answer->message);
      REQUIRE(completed);
      CHECK(completed->payload == pair.choice);
      CHECK(completed->keys.cipher == cipher);
      CHECK(answer->keys.cipher == cipher);
      CHECK(completed->keys.send == answer->keys.receive);
      CHECK(completed->keys.receive == answer->keys.send);
      CHECK_FALSE(completed->keys.send == completed->keys.receive);
    }
  }

  TEST_CASE("the cipher is part of the key, the offer and the psk are too") {
    // Same randomness, one thing changed: no key may be the same.
    auto keys_of = [](auto change) {
      Pair pair;
      change(pair);
      const auto handshake = pair.begin();
      return handshake.consume_response(pair.answer(handshake.message())->message)->keys.send;
    };
    const Key32 plain = keys_of([](Pair&) {});
    CHECK(plain == keys_of([](Pair&) {}));
    CHECK_FALSE(plain == keys_of([](Pair& p) { p.choice.cipher = Cipher::Aes256Gcm; }));
    CHECK_FALSE(plain == keys_of([](Pair& p) { p.offer.cipher_offer = 1; }));
    CHECK_FALSE(plain == keys_of([](Pair& p) { p.choice.features = 1; }));
    CHECK_FALSE(plain == keys_of([](Pair& p) {
                  p.psk = {};
                  p.to_responder =
                      RemoteIdentity::make(p.initiator, p.responder_keys.public_key, p.psk).value();
                  p.to_initiator =
                      RemoteIdentity::make(p.responder, p.initiator_keys.public_key, p.psk).value();
                }));
  }

  TEST_CASE("a traffic key is BLAKE2b(split key, label, cipher id, h)") {
    for (const Cipher cipher : {Cipher::ChaCha20Poly1305, Cipher::Aes256Gcm}) {
      Pair pair;
      pair.choice.cipher = cipher;
      const auto handshake = pair.begin();
      std::array<std::byte, kRespPayloadBytes> payload;
      write_resp_payload(pair.choice, payload);
      const ForgedResp resp = forge_resp(pair, handshake.message(), kResponderCid, payload);
      const auto completed = handshake.consume_response(resp.message);
      REQUIRE(completed);
      const std::byte id{static_cast<std::uint8_t>(cipher)};
      Key32 key;
      blake2b(key.bytes(), resp.split.first.bytes(),
              {label_bytes("wanbond1-data"), {&id, 1}, resp.handshake_hash});
      CHECK(completed->keys.send == key);
      blake2b(key.bytes(), resp.split.second.bytes(),
              {label_bytes("wanbond1-data"), {&id, 1}, resp.handshake_hash});
      CHECK(completed->keys.receive == key);
    }
  }

  TEST_CASE("a payload that does not decrypt is refused even where zeros would make sense") {
    // Cid base 0 is what a payload of zeros says, so only the tag stands in the way.
    Pair pair;
    InitPayload offer = pair.offer;
    offer.cid_base = 0;
    const InitiatorHandshake handshake(pair.initiator, pair.to_responder, offer, pair.random);
    InitMessage init = handshake.message();
    flip(init, 100 * 8);
    write_mac1(pair.responder.guard(), init);
    auto received = ReceivedInit::read(pair.responder, init);
    REQUIRE(received);
    CHECK_FALSE(received->read_payload(pair.to_initiator));
    pair.choice.cid_base = 0;
    RespMessage resp = pair.answer(handshake.message())->message;
    CHECK(handshake.consume_response(resp));
    flip(resp, 60 * 8);
    write_mac1(pair.initiator.guard(), resp);
    CHECK_FALSE(handshake.consume_response(resp));
  }

  TEST_CASE("a flipped bit of HS_INIT before mac2 is refused") {
    Pair pair;
    const auto handshake = pair.begin();
    for (std::size_t bit = 0; bit < (kInitBytes - kMacBytes) * 8; ++bit) {
      InitMessage message = handshake.message();
      flip(message, bit);
      CHECK_FALSE(ReceivedInit::read(pair.responder, message));
    }
    CHECK(pair.answer(handshake.message()));
  }

  TEST_CASE("a flipped bit of HS_INIT is refused even by who can make a mac1") {
    Pair pair;
    const auto handshake = pair.begin();
    // All but mac1 and mac2. The clear cid base is caught by its encrypted copy.
    for (std::size_t bit = 0; bit < (kInitBytes - 2 * kMacBytes) * 8; ++bit) {
      InitMessage message = handshake.message();
      flip(message, bit);
      write_mac1(pair.responder.guard(), message);
      CHECK_FALSE(pair.answer(message));
    }
  }

  TEST_CASE("a flipped bit of HS_RESP is refused and the handshake goes on") {
    Pair pair;
    const auto handshake = pair.begin();
    const auto answer = pair.answer(handshake.message());
    for (std::size_t bit = 0; bit < (kRespBytes - kMacBytes) * 8; ++bit) {
      RespMessage message = answer->message;
      flip(message, bit);
      CHECK_FALSE(handshake.consume_response(message));
      if (bit >= (kRespBytes - 2 * kMacBytes) * 8) continue;
      write_mac1(pair.initiator.guard(), message);
      CHECK_FALSE(handshake.consume_response(message));
    }
    const auto completed = handshake.consume_response(answer->message);
    REQUIRE(completed);
    CHECK(completed->keys.send == answer->keys.receive);
  }

  TEST_CASE("a message of another length is refused") {
    Pair pair;
    const auto handshake = pair.begin();
    const auto answer = pair.answer(handshake.message());
    for (std::size_t size = 0; size < 200; ++size) {
      Buffer init(size);
      std::copy_n(handshake.message().begin(), std::min(size, kInitBytes), init.begin());
      CHECK(is_well_formed_init(init) == (size == kInitBytes));
      CHECK(ReceivedInit::read(pair.responder, init).has_value() == (size == kInitBytes));
      Buffer resp(size);
      std::copy_n(answer->message.begin(), std::min(size, kRespBytes), resp.begin());
      CHECK(is_well_formed_resp(resp) == (size == kRespBytes));
      CHECK(handshake.consume_response(resp).has_value() == (size == kRespBytes));
    }
  }

  TEST_CASE("the shape check knows type, version, zero fields and cid bases") {
    Pair pair;
    const auto handshake = pair.begin();
    const auto answer = pair.answer(handshake.message());
    // Bytes 0 to 3 have one value; of a cid base (4..7, in HS_RESP also 8..11) only the slot is
    // free.
    for (std::size_t bit = 0; bit < 96; ++bit) {
      const std::size_t in_cid = bit % 32;
      const bool free = bit >= 32 && in_cid >= 6 && in_cid < 24;
      RespMessage resp = answer->message;
      flip(resp, bit);
      CHECK(is_well_formed_resp(resp) == free);
      if (bit >= 64) continue;
      InitMessage init = handshake.message();
      flip(init, bit);
      CHECK(is_well_formed_init(init) == free);
      // With a right mac1 the shape check is all that stands between these bytes and the peer.
      if (free || bit >= 32) continue;
      write_mac1(pair.responder.guard(), init);
      CHECK_FALSE(ReceivedInit::read(pair.responder, init));
      write_mac1(pair.initiator.guard(), resp);
      CHECK_FALSE(handshake.consume_response(resp));
    }
  }

  TEST_CASE("reflected messages are refused") {
    Pair pair;
    const auto handshake = pair.begin();
    CHECK_FALSE(ReceivedInit::read(pair.initiator, handshake.message()));
    const auto answer = pair.answer(handshake.message());
    CHECK_FALSE(ReceivedInit::read(pair.responder, answer->message));
    InitPayload offer = pair.offer;
    offer.cid_base = kInitiatorCid;
    const InitiatorHandshake own(pair.responder, pair.to_initiator, offer, pair.random);
    CHECK_FALSE(own.consume_response(answer->message));
    CHECK_FALSE(own.consume_response(handshake.message()));
  }

  TEST_CASE("a wrong network key fails at mac1, in both directions") {
    Pair pair;
    const NetKey netkey(Key32::generate(pair.random));
    const LocalIdentity inside(pair.responder_keys, netkey);
    const auto handshake = pair.begin();
    CHECK(verify_mac1(pair.responder.guard(), handshake.message()));
    CHECK_FALSE(verify_mac1(inside.guard(), handshake.message()));
    CHECK_FALSE(ReceivedInit::read(inside, handshake.message()));
  }

  TEST_CASE("a wrong psk on either side fails at HS_RESP") {
    Pair pair;
    const PresharedKey other = PresharedKey::generate(pair.random);
    const auto handshake = pair.begin();
    pair.to_initiator =
        RemoteIdentity::make(pair.responder, pair.initiator_keys.public_key, other).value();
    const auto answer = pair.answer(handshake.message());
    REQUIRE(answer);
    CHECK_FALSE(handshake.consume_response(answer->message));
  }

  TEST_CASE("an initiator that knows another responder key is refused") {
    Pair pair;
    const KeyPair stranger = KeyPair::generate(pair.random);
    const LocalIdentity third(stranger, {});
    const auto to_third =
        RemoteIdentity::make(pair.initiator, stranger.public_key, pair.psk).value();
    const InitiatorHandshake handshake(pair.initiator, to_third, pair.offer, pair.random);
    CHECK(ReceivedInit::read(third, handshake.message()));
    CHECK_FALSE(ReceivedInit::read(pair.responder, handshake.message()));
    InitMessage again = handshake.message();
    write_mac1(pair.responder.guard(), again);
    CHECK_FALSE(ReceivedInit::read(pair.responder, again));
  }

  TEST_CASE("who does not hold the static key it names fails at the payload") {
    Pair pair;
    const KeyPair thief = KeyPair::generate(pair.random);
    // The thief has an HS_INIT's identity but only a secret key of its own.
    const LocalIdentity claimed({thief.secret, pair.initiator_keys.public_key}, {});
    const auto to_responder =
        RemoteIdentity::make(claimed, pair.responder_keys.public_key, pair.psk).value();
    const InitiatorHandshake handshake(claimed, to_responder, pair.offer, pair.random);
    auto received = ReceivedInit::read(pair.responder, handshake.message());
    REQUIRE(received);
    CHECK(received->peer() == pair.initiator_keys.public_key);
    CHECK_FALSE(received->read_payload(pair.to_initiator));
  }

  TEST_CASE("the payload is read only as the peer that sent it, and a wrong try harms nothing") {
    Pair pair;
    const KeyPair stranger = KeyPair::generate(pair.random);
    const auto as_stranger =
        RemoteIdentity::make(pair.responder, stranger.public_key, pair.psk).value();
    auto received = ReceivedInit::read(pair.responder, pair.begin().message());
    REQUIRE(received);
    CHECK_FALSE(received->read_payload(as_stranger));
    CHECK(received->read_payload(pair.to_initiator) == pair.offer);
  }

  TEST_CASE("points of low order end the handshake") {
    for (const char* const text : kLowOrder) {
      CAPTURE(text);
      Pair pair;
      const Buffer point = unhex(text);
      PublicKey key;
      std::memcpy(key.bytes.data(), point.data(), 32);
      CHECK_FALSE(shared_secret(pair.initiator_keys.secret, key));
      CHECK_FALSE(RemoteIdentity::make(pair.initiator, key, pair.psk));

      // e of HS_INIT, under a right mac1; refused by the DH, before anything is decrypted.
      InitMessage init = pair.begin().message();
      std::memcpy(init.data() + 8, point.data(), 32);
      write_mac1(pair.responder.guard(), init);
      CHECK_FALSE(ReceivedInit::read(pair.responder, init));

      // e of HS_RESP.
      const auto handshake = pair.begin();
      RespMessage resp = pair.answer(handshake.message())->message;
      std::memcpy(resp.data() + 12, point.data(), 32);
      write_mac1(pair.initiator.guard(), resp);
      CHECK_FALSE(handshake.consume_response(resp));

      // Neither side's DH takes it.
      NoiseHandshake noise = forged_initiator(pair);
      std::array<std::byte, 32> e;
      ByteWriter writer(e);
      noise.write_e(writer, pair.random);
      ByteReader reader(point);
      REQUIRE(noise.read_e(reader));
      CHECK_FALSE(noise.mix_dh(NoiseToken::Ee));
      CHECK_FALSE(noise.mix_dh(NoiseToken::Se));
    }
  }

  TEST_CASE("an ephemeral key that makes every secret public is refused by its DH alone") {
    // With e of low order `es` would be zeros, so anybody could make this HS_INIT decrypt.
    for (const bool leave_es_out : {false, true}) {
      Pair pair;
      NoiseSymmetric symmetric = prepared(pair);
      const std::array<std::byte, 32> zeros{};
      InitMessage message{};
      ByteWriter writer(message);
      writer.u8(0x71);
      writer.u8(1);
      writer.u16(0);
      writer.u32(kInitiatorCid);
      writer.put(zeros);
      symmetric.mix_hash(zeros);
      symmetric.mix_key(zeros);
      if (!leave_es_out) symmetric.mix_key(zeros);
      symmetric.encrypt(pair.initiator_keys.public_key.bytes, writer.reserve(48));
      write_mac1(pair.responder.guard(), message);
      CHECK_FALSE(ReceivedInit::read(pair.responder, message));
    }
  }

  TEST_CASE("an authentic HS_INIT that contradicts itself is refused") {
    Pair pair;
    std::array<std::byte, kInitPayloadBytes> payload;
    write_init_payload(pair.offer, payload);
    auto accepts = [&](std::uint32_t clear_cid, Bytes bytes) {
      auto received = ReceivedInit::read(pair.responder, init_with(pair, clear_cid, bytes));
      return received && received->read_payload(pair.to_initiator);
    };
    CHECK(accepts(kInitiatorCid, payload));
    CHECK_FALSE(accepts(kInitiatorCid ^ 0x40, payload));
    auto reserved = payload;
    reserved[21] = std::byte{1};
    CHECK_FALSE(accepts(kInitiatorCid, reserved));
    auto path = payload;
    path[20] = std::byte{64};
    CHECK_FALSE(accepts(kInitiatorCid, path));
    auto cid = payload;
    cid[16] |= std::byte{1};
    CHECK_FALSE(accepts(kInitiatorCid, cid));
    CHECK_FALSE(parse_init_payload(cid));
  }

  TEST_CASE("an authentic HS_RESP that contradicts itself or the offer is refused") {
    Pair pair;
    pair.offer.cipher_offer = cipher_bit(Cipher::ChaCha20Poly1305);
    const auto handshake = pair.begin();
    std::array<std::byte, kRespPayloadBytes> payload;
    write_resp_payload(pair.choice, payload);
    auto accepts = [&](std::uint32_t clear_cid, Bytes bytes) {
      return handshake
          .consume_response(forge_resp(pair, handshake.message(), clear_cid, bytes).message)
          .has_value();
    };
    CHECK(accepts(kResponderCid, payload));
    CHECK_FALSE(accepts(kResponderCid ^ 0x40, payload));
    for (const unsigned at : {9U, 20U, 21U, 22U, 23U}) {
      auto reserved = payload;
      reserved[at] = std::byte{1};
      CHECK_FALSE(accepts(kResponderCid, reserved));
    }
    auto path = payload;
    path[8] = std::byte{64};
    CHECK_FALSE(accepts(kResponderCid, path));
    auto not_offered = payload;
    not_offered[0] = std::byte{1};
    CHECK_FALSE(accepts(kResponderCid, not_offered));
    for (const int unknown : {2, 3, 255}) {
      auto cipher = payload;
      cipher[0] = std::byte(unknown);
      CHECK_FALSE(accepts(kResponderCid, cipher));
      CHECK_FALSE(parse_resp_payload(cipher));
    }
    auto cid = payload;
    cid[4] |= std::byte{1};
    CHECK_FALSE(parse_resp_payload(cid));
  }

  TEST_CASE("an HS_RESP to another HS_INIT is refused") {
    Pair pair;
    const auto first = pair.begin();
    const auto second = pair.begin();
    const auto answer = pair.answer(first.message());
    CHECK_FALSE(second.consume_response(answer->message));
    CHECK(first.consume_response(answer->message));
    // Same transcript, but the clear field names another handshake of ours.
    RespMessage redirected = answer->message;
    ByteWriter(MutableBytes(redirected).subspan(8)).u32(kInitiatorCid ^ 0x40);
    write_mac1(pair.initiator.guard(), redirected);
    CHECK_FALSE(first.consume_response(redirected));
  }
}
