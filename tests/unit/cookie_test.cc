#include "crypto/cookie.h"

#include <doctest/doctest.h>

#include "crypto/handshake.h"
#include "crypto/hash.h"
#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

const Time kStart{1s};
const Endpoint kSource = *Endpoint::parse("192.0.2.7:40001");

/// A responder under load and what an initiator sent to it.
struct Scene {
  SeededRandom random{11};
  LocalIdentity initiator{KeyPair::generate(random), {}};
  LocalIdentity responder{KeyPair::generate(random), {}};
  RemoteIdentity to_responder = RemoteIdentity::make(initiator, responder.public_key(), {}).value();
  InitiatorHandshake handshake{
      initiator, to_responder, {.cipher_offer = 1, .cid_base = 0x1240}, random};
  CookieJar jar{random};
};

void run_version_1(const Json& v) {
  // The jar draws its secret first, then the nonce of the reply.
  ScriptedRandom random(unhex(v["cookie_secret"]));
  random.add(unhex(v["hs_cookie_nonce"]));
  CookieJar jar(random);
  const Cookie cookie = jar.cookie_for(kStart, kSource);
  CHECK(hex(cookie) == v["cookie"].string());

  const GuardKeys guard = GuardKeys::of(public_from(v["static_r_pub"]), {});
  Buffer init = unhex(v["hs_init"]);
  CHECK(verify_mac1(guard, init));
  const CookieReply reply = jar.make_reply(kStart, guard, init, kSource);
  CHECK(hex(reply) == v["hs_cookie"].string());
  const auto mac1 = Bytes(init).subspan<144, 16>();
  CHECK(open_cookie_reply(reply, mac1, guard) == cookie);

  CHECK_FALSE(jar.verify_mac2(kStart, kSource, init));
  set_mac2(init, cookie);
  CHECK(hex(init) == v["hs_init_with_mac2"].string());
  CHECK(jar.verify_mac2(kStart, kSource, init));

  Buffer echo(8);
  ByteWriter(echo).u64(retry_echo(cookie));
  CHECK(hex(echo) == v["retry_echo"].string());
  CHECK(jar.matches_echo(kStart, kSource, retry_echo(cookie)));
}

}  // namespace

TEST_SUITE("cookie") {
  TEST_CASE("gives the bytes of wire version 1") {
    const auto own = read_json(WANBOND_TEST_DATA "/wanbond-v1.json");
    REQUIRE(own);
    run_version_1(*own);
    if (const auto shared = vectors("wanbond/wanbond-v1-draft.json")) run_version_1(*shared);
  }

  TEST_CASE("the network key goes into both guard keys") {
    const auto v = *read_json(WANBOND_TEST_DATA "/wanbond-v1.json");
    const NetKey netkey(secret_from<Key32>(v["netkey"]));
    const GuardKeys guard = GuardKeys::of(public_from(v["static_r_pub"]), netkey);
    Buffer init = unhex(v["hs_init"]);
    CHECK_FALSE(verify_mac1(guard, init));
    write_mac1(guard, init);
    CHECK(hex(Bytes(init).subspan(144, 16)) == v["hs_init_mac1_with_netkey"].string());
    CHECK(verify_mac1(guard, init));
    CHECK(hex(guard.cookie.bytes()) == v["cookie_key_with_netkey"].string());
  }

  TEST_CASE("mac1 and mac2 cover every bit before them") {
    Scene scene;
    InitMessage message = scene.handshake.message();
    set_mac2(message, scene.jar.cookie_for(kStart, kSource));
    CHECK(verify_mac1(scene.responder.guard(), message));
    CHECK(scene.jar.verify_mac2(kStart, kSource, message));
    for (std::size_t bit = 0; bit < kInitBytes * 8; ++bit) {
      InitMessage forged = message;
      forged[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
      CHECK(verify_mac1(scene.responder.guard(), forged) == (bit >= (kInitBytes - 16) * 8));
      CHECK_FALSE(scene.jar.verify_mac2(kStart, kSource, forged));
    }
  }

  TEST_CASE("a message of another size has no macs") {
    Scene scene;
    const Cookie cookie = scene.jar.cookie_for(kStart, kSource);
    for (const unsigned size : {0U, 15U, 31U, 32U, 64U, 115U, 117U, 175U, 177U, 1000U}) {
      Buffer message(size);
      if (size >= 32) {  // right macs at its end do not help
        blake2b(MutableBytes(message).last(32).first(16), scene.responder.guard().mac1.bytes(),
                {Bytes(message).first(size - 32)});
        blake2b(MutableBytes(message).last(16), cookie, {Bytes(message).first(size - 16)});
      }
      CHECK_FALSE(verify_mac1(scene.responder.guard(), message));
      CHECK_FALSE(scene.jar.verify_mac2(kStart, kSource, message));
    }
  }

  TEST_CASE("a cookie is good for its address and port only") {
    Scene scene;
    InitMessage message = scene.handshake.message();
    const Cookie cookie = scene.jar.cookie_for(kStart, kSource);
    set_mac2(message, cookie);
    for (const char* const other :
         {"192.0.2.8:40001", "192.0.2.7:40002", "[2001:db8::7]:40001", "192.0.2.7:16796"}) {
      const Endpoint source = *Endpoint::parse(other);
      CHECK_FALSE(scene.jar.verify_mac2(kStart, source, message));
      CHECK_FALSE(scene.jar.matches_echo(kStart, source, retry_echo(cookie)));
    }
    CHECK(scene.jar.verify_mac2(kStart, kSource, message));
    CHECK_FALSE(scene.jar.matches_echo(kStart, kSource, 0));
    CHECK_FALSE(scene.jar.matches_echo(kStart, kSource, retry_echo(cookie) ^ 1));
  }

  TEST_CASE("a cookie outlives its secret by one life and no more") {
    struct Row {
      Duration first_used;
      Duration again_used;
      bool good;
    };
    // The secret is made at 1 s.
    for (const Row& row : {Row{0s, 0s, true}, Row{0s, 119s, true}, Row{0s, 120s, true},
                           Row{0s, 239s, true}, Row{0s, 240s, false}, Row{0s, 600s, false}}) {
      CAPTURE(row.again_used.count());
      Scene scene;
      InitMessage message = scene.handshake.message();
      const Cookie cookie = scene.jar.cookie_for(kStart + row.first_used, kSource);
      set_mac2(message, cookie);
      const Time again = kStart + row.again_used;
      CHECK(scene.jar.verify_mac2(again, kSource, message) == row.good);
      CHECK(scene.jar.matches_echo(again, kSource, retry_echo(cookie)) == row.good);
      CHECK((scene.jar.cookie_for(again, kSource) == cookie) == (row.again_used < 120s));
    }
    // Used all the time: current at 0 s, previous from 120 s, gone at 240 s.
    Scene scene;
    const Cookie first = scene.jar.cookie_for(kStart, kSource);
    for (Duration t = 0s; t < 300s; t += 1s)
      CHECK(scene.jar.matches_echo(kStart + t, kSource, retry_echo(first)) == (t < 240s));
  }

  TEST_CASE("a cookie reply answers one message of one node") {
    Scene scene;
    const CookieReply reply =
        scene.jar.make_reply(kStart, scene.responder.guard(), scene.handshake.message(), kSource);
    CHECK(is_well_formed_cookie_reply(reply));
    CHECK(first_cid_base(reply) == 0x1240);
    const auto mac1 = scene.handshake.mac1();
    const GuardKeys& guard = scene.to_responder.guard();
    const auto cookie = open_cookie_reply(reply, mac1, guard);
    REQUIRE(cookie);
    CHECK(*cookie == scene.jar.cookie_for(kStart, kSource));
    InitMessage message = scene.handshake.message();
    set_mac2(message, *cookie);
    CHECK(scene.jar.verify_mac2(kStart, kSource, message));

    const InitiatorHandshake other(scene.initiator, scene.to_responder,
                                   {.cipher_offer = 1, .cid_base = 0x1240}, scene.random);
    CHECK_FALSE(open_cookie_reply(reply, other.mac1(), guard));
    CHECK_FALSE(open_cookie_reply(reply, mac1, scene.initiator.guard()));
    for (std::size_t bit = 0; bit < kCookieReplyBytes * 8; ++bit) {
      // Only the slot of the cid base is free: it says whose mac1 is compared.
      if (bit >= 38 && bit < 56) continue;
      CookieReply forged = reply;
      forged[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
      CHECK_FALSE(open_cookie_reply(forged, mac1, guard));
    }
    for (std::size_t size = 0; size < 64; ++size)
      CHECK_FALSE(open_cookie_reply(Bytes(reply).first(size), mac1, guard));
  }

  TEST_CASE("two replies never share a nonce") {
    Scene scene;
    auto reply = [&scene] {
      return scene.jar.make_reply(kStart, scene.responder.guard(), scene.handshake.message(),
                                  kSource);
    };
    CHECK(hex(reply()) != hex(reply()));
  }
}
