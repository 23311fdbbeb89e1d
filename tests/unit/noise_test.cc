#include "crypto/noise.h"

#include <doctest/doctest.h>

#include <map>

#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

using enum NoiseToken;
using Tokens = std::vector<NoiseToken>;

/// Noise 7.5: whose static keys are known before, and the tokens of each message.
struct Pattern {
  bool initiator_known = false;
  bool responder_known = false;
  std::vector<Tokens> messages;
};

const std::map<std::string, Pattern> kPatterns = {
    {"NN", {false, false, {{E}, {E, Ee}}}},
    {"KK", {true, true, {{E, Es, Ss}, {E, Ee, Se}}}},
    {"XK", {false, true, {{E, Es}, {E, Ee}, {S, Se}}}},
    {"IK", {false, true, {{E, Es, S, Ss}, {E, Ee, Se}}}},
};

/// "IKpsk0+psk2": the pattern with its modifiers (Noise 9.4) applied.
Pattern pattern_of(std::string name) {
  Pattern pattern = kPatterns.at(name.substr(0, 2));
  for (std::size_t at = name.find("psk"); at != std::string::npos; at = name.find("psk", at + 1)) {
    const std::size_t n = static_cast<std::size_t>(name.at(at + 3) - '0');
    Tokens& tokens = pattern.messages.at(n == 0 ? 0 : n - 1);
    tokens.insert(n == 0 ? tokens.begin() : tokens.end(), Psk);
  }
  return pattern;
}

/// One side of a vector.
struct Party {
  NoiseHandshake noise;
  ScriptedRandom ephemeral;
  std::deque<PresharedKey> psks;
};

std::optional<PublicKey> known(const Json& v, const std::string& owner) {
  if (!v.has(owner)) return std::nullopt;
  return KeyPair::from(secret_from<SecretKey>(v[owner])).public_key;
}

Party make_party(const Json& v, NoiseRole role, const Pattern& pattern, const std::string& name) {
  const bool initiator = role == NoiseRole::Initiator;
  const std::string self = initiator ? "init" : "resp";
  const bool aes = name.find("AESGCM") != std::string::npos;
  NoiseSymmetric symmetric(name, aes ? Cipher::Aes256Gcm : Cipher::ChaCha20Poly1305);
  symmetric.mix_hash(unhex(v[self + "_prologue"]));
  if (pattern.initiator_known) symmetric.mix_hash(known(v, "init_static")->bytes);
  if (pattern.responder_known) symmetric.mix_hash(known(v, "resp_static")->bytes);
  NoiseKeys keys;
  if (v.has(self + "_static"))
    keys.local_static = KeyPair::from(secret_from<SecretKey>(v[self + "_static"]));
  if (initiator ? pattern.responder_known : pattern.initiator_known)
    keys.remote_static = known(v, initiator ? "resp_static" : "init_static");
  std::deque<PresharedKey> psks;
  if (v.has(self + "_psks"))
    for (const Json& psk : v[self + "_psks"].array())
      psks.push_back(secret_from<PresharedKey>(psk));
  if (name.find("psk") != std::string::npos) keys.psk = NoisePsk::Used;
  return {NoiseHandshake(role, symmetric, keys), ScriptedRandom(unhex(v[self + "_ephemeral"])),
          psks};
}

void mix_psk(Party& party) {
  party.noise.mix_psk(party.psks.front());
  party.psks.pop_front();
}

Buffer write_message(Party& from, const Tokens& tokens, Bytes payload) {
  Buffer message(4096);
  ByteWriter writer(message);
  for (const NoiseToken token : tokens) {
    if (token == E)
      from.noise.write_e(writer, from.ephemeral);
    else if (token == S)
      from.noise.write_s(writer);
    else if (token == Psk)
      mix_psk(from);
    else
      REQUIRE(from.noise.mix_dh(token));
  }
  NoiseSymmetric& symmetric = from.noise.symmetric();
  symmetric.encrypt(payload, writer.reserve(payload.size() + symmetric.overhead()));
  message.resize(writer.size());
  return message;
}

Buffer read_message(Party& to, const Tokens& tokens, Bytes message) {
  ByteReader reader(message);
  for (const NoiseToken token : tokens) {
    if (token == E)
      REQUIRE(to.noise.read_e(reader));
    else if (token == S)
      REQUIRE(to.noise.read_s(reader));
    else if (token == Psk)
      mix_psk(to);
    else
      REQUIRE(to.noise.mix_dh(token));
  }
  const Bytes sealed = reader.take(reader.remaining());
  Buffer payload(sealed.size() - to.noise.symmetric().overhead());
  REQUIRE(to.noise.symmetric().decrypt(sealed, payload));
  return payload;
}

void run_vector(const Json& v, const std::string& name) {
  const std::size_t at = std::string("Noise_").size();
  const Pattern pattern = pattern_of(name.substr(at, name.find('_', at) - at));
  Party initiator = make_party(v, NoiseRole::Initiator, pattern, name);
  Party responder = make_party(v, NoiseRole::Responder, pattern, name);
  const auto& messages = v["messages"].array();
  std::size_t i = 0;
  for (; i < pattern.messages.size(); ++i) {
    Party& from = i % 2 == 0 ? initiator : responder;
    Party& to = i % 2 == 0 ? responder : initiator;
    const Buffer payload = unhex(messages[i]["payload"]);
    const Buffer message = write_message(from, pattern.messages[i], payload);
    CHECK(hex(message) == messages[i]["ciphertext"].string());
    CHECK(read_message(to, pattern.messages[i], message) == payload);
  }
  CHECK(initiator.noise.symmetric().handshake_hash() ==
        responder.noise.symmetric().handshake_hash());
  if (v.has("handshake_hash"))
    CHECK(hex(initiator.noise.symmetric().handshake_hash()) == v["handshake_hash"].string());
  const auto split = initiator.noise.symmetric().split();
  CHECK(split.second == responder.noise.symmetric().split().second);
  const bool aes = name.find("AESGCM") != std::string::npos;
  const Cipher cipher = aes ? Cipher::Aes256Gcm : Cipher::ChaCha20Poly1305;
  const AeadKey keys[] = {AeadKey(cipher, split.first), AeadKey(cipher, split.second)};
  std::uint64_t nonces[] = {0, 0};
  for (; i < messages.size(); ++i) {
    const Buffer payload = unhex(messages[i]["payload"]);
    Buffer sealed(payload.size() + kTagBytes);
    keys[i % 2].seal_to(nonces[i % 2]++, {}, payload, sealed);
    CHECK(hex(sealed) == messages[i]["ciphertext"].string());
  }
}

}  // namespace

TEST_SUITE("noise") {
  TEST_CASE("agrees with three other implementations on every message") {
    std::size_t count = 0;
    std::size_t skipped = 0;
    for (const char* file : {"cacophony", "noise-c", "snow"}) {
      const auto json = vectors(std::string("noise/") + file + "-25519-blake2b.json");
      if (!json) return;
      for (const Json& v : (*json)["vectors"].array()) {
        const std::string name = v[v.has("name") ? "name" : "protocol_name"].string();
        CAPTURE(file);
        CAPTURE(name);
        if (name.find("AESGCM") != std::string::npos && !aes_available()) {
          ++skipped;
          continue;
        }
        run_vector(v, name);
        ++count;
      }
    }
    CHECK(count + skipped == 38);
    CHECK(count >= 19);
  }

  TEST_CASE("a refused decryption leaves the state as it was") {
    SeededRandom random(8);
    NoiseSymmetric a("Noise_NN_25519_ChaChaPoly_BLAKE2b", Cipher::ChaCha20Poly1305);
    a.mix_key(Key32::generate(random).bytes());
    NoiseSymmetric b = a;
    const Buffer text = unhex("00112233445566778899");
    Buffer sealed(text.size() + kTagBytes);
    a.encrypt(text, sealed);
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      Buffer forged = sealed;
      forged[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
      Buffer out(text.size());
      CHECK_FALSE(b.decrypt(forged, out));
      CHECK(out == Buffer(text.size()));
    }
    CHECK_FALSE(b.decrypt(Bytes(sealed).first(15), {}));
    Buffer out(text.size());
    CHECK(b.decrypt(sealed, out));
    CHECK(out == text);
    CHECK(a.handshake_hash() == b.handshake_hash());
  }

  TEST_CASE("a DH without its key, and a token that is none, are refused") {
    SeededRandom random(9);
    const NoiseSymmetric symmetric("x", Cipher::ChaCha20Poly1305);
    NoiseHandshake noise(NoiseRole::Initiator, symmetric, {});
    for (const NoiseToken token : {E, S, Psk, Ee, Es, Se, Ss}) CHECK_FALSE(noise.mix_dh(token));
    ByteReader empty({});
    CHECK_FALSE(noise.read_e(empty));
    CHECK_FALSE(noise.read_s(empty));
  }
}
