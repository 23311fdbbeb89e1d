// Fuzz target: what strangers can send to the cryptography. The first byte chooses: a genuine
// handshake message with changes (the rest of the input is XORed onto it, mac1 made anew), which
// must be refused; or a protected packet, which no library may open, and which all libraries seal
// alike.
#include <algorithm>
#include <array>
#include <vector>

#include "base/check.h"
#include "crypto/cookie.h"
#include "crypto/handshake.h"
#include "tests/sim/seeded_random.h"

using namespace wanbond;

namespace {

constexpr std::size_t kMacsBytes = 32;  // mac1 and mac2 end a handshake message
constexpr std::size_t kAdBytes = 8;

using Buffer = std::vector<std::byte>;

/// Two nodes that know each other, and the messages of one handshake.
struct Scene {
  sim::SeededRandom random{1};
  KeyPair caller_keys = KeyPair::generate(random);
  KeyPair called_keys = KeyPair::generate(random);
  LocalIdentity caller{caller_keys, {}};
  LocalIdentity called{called_keys, {}};
  RemoteIdentity to_called = RemoteIdentity::make(caller, called_keys.public_key, {}).value();
  RemoteIdentity to_caller = RemoteIdentity::make(called, caller_keys.public_key, {}).value();
  InitiatorHandshake init{caller, to_called, {.cipher_offer = 1, .cid_base = 0x40}, random};
  RespMessage response{};

  Scene() {
    auto received = ReceivedInit::read(called, init.message());
    check(received && received->read_payload(to_caller));
    response = received->respond(to_caller, {.cid_base = 0x80}, random)->message;
    check(init.consume_response(response).has_value());
  }
};

/// `genuine` with `change` on all of it but the macs; none if that changes nothing.
std::optional<Buffer> changed(Bytes genuine, Bytes change, const GuardKeys& receiver) {
  Buffer message(genuine.begin(), genuine.end());
  const std::size_t size = std::min(change.size(), message.size() - kMacsBytes);
  for (std::size_t i = 0; i < size; ++i) message[i] ^= change[i];
  if (std::ranges::equal(message, genuine)) return std::nullopt;
  write_mac1(receiver, message);
  return message;
}

void check_init(const Scene& scene, Bytes change) {
  const auto message = changed(scene.init.message(), change, scene.called.guard());
  if (!message) return;
  auto received = ReceivedInit::read(scene.called, *message);
  check(!received || !received->read_payload(scene.to_caller));
}

void check_response(const Scene& scene, Bytes change) {
  const auto message = changed(scene.response, change, scene.caller.guard());
  check(!message || !scene.init.consume_response(*message));
}

void check_packet(Cipher cipher, AeadLibrary library, Bytes packet) {
  if (packet.size() < kAdBytes + kTagBytes) return;
  const AeadKey key(cipher, Key32(), library);
  const AeadKey reference(cipher, Key32());
  const Bytes ad = packet.first(kAdBytes);
  const Bytes body = packet.subspan(kAdBytes, packet.size() - kAdBytes - kTagBytes);
  Buffer text(body.begin(), body.end());
  check(!key.open(1, ad, text, packet.last<kTagBytes>()));
  check(std::ranges::all_of(text, [](std::byte b) { return b == std::byte{}; }));
  Buffer sealed(body.size() + kTagBytes), expected(body.size() + kTagBytes);
  key.seal_to(1, ad, body, sealed);
  reference.seal_to(1, ad, body, expected);
  check(sealed == expected);
  check(key.open(1, ad, MutableBytes(sealed).first(body.size()), Bytes(sealed).last<kTagBytes>()));
  check(std::ranges::equal(Bytes(sealed).first(body.size()), body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool ready = crypto_init().has_value();
  static const Scene scene;
  static const AeadLibrary library = choose_aead(std::nullopt).value();
  check(ready);
  if (size == 0) return 0;
  const Bytes rest = std::as_bytes(std::span(data, size)).subspan(1);
  switch (data[0] % 4) {
    case 0:
      check_init(scene, rest);
      break;
    case 1:
      check_response(scene, rest);
      break;
    case 2:
      check_packet(Cipher::ChaCha20Poly1305, library, rest);
      break;
    default:
      if (aes_available()) check_packet(Cipher::Aes256Gcm, library, rest);
  }
  return 0;
}
