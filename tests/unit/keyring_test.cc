#include "crypto/keyring.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <unordered_set>

#include "crypto_support.h"

using namespace wanbond;
using namespace wanbond::test;

// Counts allocations of this whole program, to show that packets cost none.
namespace {
std::size_t allocation_count = 0;
}
void* operator new(std::size_t size) {
  ++allocation_count;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

const Time kStart{1s};
const PathId kPath{5};

TrafficKeys mirrored(const TrafficKeys& keys) { return {keys.cipher, keys.receive, keys.send}; }

/// A sealed packet on its way: 8 clear bytes, text, tag.
struct Wire {
  std::uint32_t cid = 0;
  std::uint32_t number = 0;
  std::array<std::byte, 8 + 20 + kTagBytes> bytes{};

  Bytes ad() const { return Bytes(bytes).first(8); }
  MutableBytes text() { return MutableBytes(bytes).subspan(8, 20); }
  Tag tag() { return MutableBytes(bytes).last<kTagBytes>(); }
  SealedPacket packet() { return {cid, number, ad(), text(), tag()}; }
};

std::optional<Wire> seal_on(Keyring& ring, Time now, PathId path) {
  auto number = ring.take_number(now, path);
  if (!number) return std::nullopt;
  Wire wire;
  wire.cid = number->cid();
  wire.number = number->number();
  ByteWriter(wire.bytes).u32(wire.cid << 8 | 0x74);
  ByteWriter(MutableBytes(wire.bytes).subspan(4)).u32(wire.number);
  if (!ring.seal(std::move(*number), wire.ad(), wire.text(), wire.tag())) return std::nullopt;
  return wire;
}

/// Two keyrings that a handshake has just given the same keys to. Initiator cid bases count up
/// from 0x40, responder ones from 0x100040.
struct Link {
  SeededRandom random{21};
  KeyLimits limits;
  Keyring a;
  Keyring b;
  std::uint32_t handshakes = 0;
  EpochId a_id{};
  EpochId b_id{};

  explicit Link(const KeyLimits& with = {}) : limits(with), a(random, with), b(random, with) {}

  TrafficKeys fresh_keys(Cipher cipher = Cipher::ChaCha20Poly1305) {
    return {cipher, Key32::generate(random), Key32::generate(random)};
  }
  /// A handshake begun by `a`.
  void shake(Time now, Cipher cipher = Cipher::ChaCha20Poly1305) {
    const std::uint32_t n = ++handshakes << 6;
    const TrafficKeys keys = fresh_keys(cipher);
    b_id = b.install_responder(now, mirrored(keys), {0x100000 | n, n});
    a_id = a.install_initiator(now, keys, {n, 0x100000 | n});
    drain();
  }
  void drain() {
    (void)a.take_freed();
    (void)b.take_freed();
  }
  Opened send(Time now, PathId path = kPath) {
    auto wire = seal_on(a, now, path);
    REQUIRE(wire);
    return b.open(now, b_id, wire->packet());
  }
  /// From `b` to the newest epoch of `a`.
  Opened send_back(Time now) {
    auto wire = seal_on(b, now, kPath);
    REQUIRE(wire);
    return a.open(now, a_id, wire->packet());
  }
};

}  // namespace

TEST_SUITE("keyring") {
  TEST_CASE("the initiator sends at once, the responder after the first packet") {
    Link link;
    CHECK_FALSE(link.a.can_send(kStart));
    CHECK_FALSE(link.a.take_number(kStart, kPath));
    link.shake(kStart);
    CHECK(link.a.can_send(kStart));
    CHECK_FALSE(link.b.can_send(kStart));
    CHECK_FALSE(link.b.take_number(kStart, kPath));
    CHECK(link.b.waiting_count() == 1);

    const Opened first = link.send(kStart);
    CHECK(first.result == OpenResult::Ok);
    CHECK(first.promoted);
    CHECK(first.newest);
    CHECK(link.b.can_send(kStart));
    CHECK(link.b.waiting_count() == 0);
    CHECK_FALSE(link.send(kStart).promoted);
    CHECK_FALSE(link.a.current()->peer_proven);
    CHECK(link.send_back(kStart).result == OpenResult::Ok);
    CHECK(link.a.current()->peer_proven);
    CHECK(link.a.current()->role == NoiseRole::Initiator);
    CHECK(link.b.current()->role == NoiseRole::Responder);
  }

  TEST_CASE("a rekey loses nothing: the old key opens for 20 s after the move") {
    Link link;
    link.shake(kStart);
    CHECK(link.send(kStart).promoted);
    const EpochId old_b = link.b_id;
    const EpochId old_a = link.a_id;
    auto early = seal_on(link.a, kStart, kPath);
    auto late = seal_on(link.a, kStart, kPath);
    const Time rekey = kStart + 110s;
    link.shake(rekey);
    // The responder goes on under the old key until the new one is confirmed.
    auto from_b = seal_on(link.b, rekey, kPath);
    CHECK(link.a.open(rekey, old_a, from_b->packet()).result == OpenResult::Ok);
    CHECK(link.b.open(rekey, old_b, early->packet()).result == OpenResult::Ok);
    CHECK(link.send(rekey + 1s).promoted);
    CHECK(link.b.open(rekey + 20s, old_b, late->packet()).result == OpenResult::Ok);
    link.b.on_timer(rekey + 20s);
    CHECK(link.b.previous() != nullptr);
    CHECK(link.b.next_timeout() == rekey + 21s);
    link.b.on_timer(rekey + 21s);
    CHECK(link.b.previous() == nullptr);
    const auto freed = link.b.take_freed();
    REQUIRE(freed.size() == 1);
    CHECK(freed[0] == 0x100040);
    CHECK(link.b.open(rekey + 21s, old_b, late->packet()).result == OpenResult::NoKey);
    CHECK(link.send(rekey + 21s).result == OpenResult::Ok);
  }

  TEST_CASE("an epoch is over at its time even when the timer is late") {
    Link link;
    link.shake(kStart);
    link.send(kStart);
    const EpochId old = link.b_id;
    auto wire = seal_on(link.a, kStart, kPath);
    link.shake(kStart + 10s);
    link.send(kStart + 10s);
    CHECK(link.b.open(kStart + 30s, old, wire->packet()).result == OpenResult::NoKey);
  }

  TEST_CASE("checks the tag before the window: a forged packet burns no number") {
    Link link;
    link.shake(kStart);
    auto wire = seal_on(link.a, kStart, kPath);
    Wire forged = *wire;
    forged.bytes[10] ^= std::byte{1};
    const Opened refused = link.b.open(kStart, link.b_id, forged.packet());
    CHECK(refused.result == OpenResult::BadTag);
    CHECK_FALSE(refused.promoted);
    CHECK(hex(forged.text()) == std::string(40, '0'));
    CHECK(link.b.waiting_count() == 1);
    // A forged number far ahead must not move the window either.
    Wire ahead = *wire;
    ahead.number = 0x7fffffff;
    CHECK(link.b.open(kStart, link.b_id, ahead.packet()).result == OpenResult::BadTag);
    Wire replayed = *wire;
    CHECK(link.b.open(kStart, link.b_id, wire->packet()).promoted);
    CHECK(link.b.open(kStart, link.b_id, replayed.packet()).result == OpenResult::Replayed);
    CHECK(link.b.current()->receive.failed_count() == 2);
  }

  TEST_CASE("every bit of a packet counts") {
    Link link;
    link.shake(kStart);
    auto wire = seal_on(link.a, kStart, kPath);
    for (std::size_t bit = 0; bit < wire->bytes.size() * 8; ++bit) {
      Wire forged = *wire;
      forged.bytes[bit / 8] ^= std::byte{static_cast<std::uint8_t>(1U << bit % 8)};
      CHECK(link.b.open(kStart, link.b_id, forged.packet()).result == OpenResult::BadTag);
    }
    CHECK_FALSE(link.b.can_send(kStart));
    CHECK(link.b.open(kStart, link.b_id, wire->packet()).result == OpenResult::Ok);
  }

  TEST_CASE("a packet moved to another path, epoch or direction is refused") {
    Link link;
    link.shake(kStart);
    link.send(kStart);
    auto wire = seal_on(link.a, kStart, kPath);
    for (std::uint32_t path = 0; path < 64; ++path) {
      Wire moved = *wire;
      moved.cid = (moved.cid & ~63U) | path;
      const OpenResult result = link.b.open(kStart, link.b_id, moved.packet()).result;
      CHECK(result == (path == kPath.value ? OpenResult::Ok : OpenResult::BadTag));
    }
    auto reflected = seal_on(link.a, kStart, kPath);
    reflected->cid = link.a.current()->cids.local | kPath.value;
    CHECK(link.a.open(kStart, link.a_id, reflected->packet()).result == OpenResult::BadTag);
    auto lost = seal_on(link.a, kStart, kPath);
    for (std::uint8_t id = 0; id < 6; ++id)
      if (id != link.b_id.value)
        CHECK(link.b.open(kStart, EpochId{id}, lost->packet()).result == OpenResult::NoKey);
    lost->cid ^= 0x40;
    CHECK(link.b.open(kStart, link.b_id, lost->packet()).result == OpenResult::NoKey);
  }

  TEST_CASE("newest is told per path") {
    Link link;
    link.shake(kStart);
    auto first = seal_on(link.a, kStart, kPath);
    auto second = seal_on(link.a, kStart, kPath);
    CHECK(link.send(kStart, PathId{6}).newest);
    CHECK(link.b.open(kStart, link.b_id, second->packet()).newest);
    const Opened late = link.b.open(kStart, link.b_id, first->packet());
    CHECK(late.result == OpenResult::Ok);
    CHECK_FALSE(late.newest);
  }

  TEST_CASE("no key is used from 180 s on, and it is erased at 540 s") {
    Link link;
    link.shake(kStart);
    link.send(kStart);
    auto wire = seal_on(link.a, kStart, kPath);
    const Time last = kStart + 180s - 1ns;
    CHECK(link.send(last).result == OpenResult::Ok);
    CHECK(link.a.can_send(last));
    CHECK_FALSE(link.a.can_send(kStart + 180s));
    CHECK_FALSE(link.a.take_number(kStart + 180s, kPath));
    CHECK(link.b.open(kStart + 180s, link.b_id, wire->packet()).result == OpenResult::Expired);
    link.b.on_timer(kStart + 540s - 1ns);
    CHECK(link.b.current() != nullptr);
    link.b.on_timer(kStart + 540s);
    CHECK(link.b.current() == nullptr);
    CHECK(link.b.next_timeout() == kNever);
    CHECK(link.b.take_freed().size() == 1);
  }

  TEST_CASE("a pending epoch is erased when it cannot be used any more") {
    Link link;
    link.shake(kStart);
    CHECK(link.b.next_timeout() == kStart + 180s);
    link.b.on_timer(kStart + 180s);
    CHECK(link.b.waiting_count() == 0);
    CHECK(link.b.take_freed().size() == 1);
  }

  TEST_CASE("the initiator wants a rekey after 110 to 120 s, the responder after 150 s") {
    Duration shortest = 1h;
    Duration longest = 0s;
    for (int i = 0; i < 200; ++i) {
      SeededRandom random(static_cast<std::uint64_t>(i));
      Keyring ring(random, {});
      ring.install_initiator(kStart, {}, {0x40, 0x80});
      const Time due = ring.next_timeout();
      shortest = std::min(shortest, due - kStart);
      longest = std::max(longest, due - kStart);
      CHECK_FALSE(ring.rekey_wanted(due - 1ns));
      CHECK(ring.rekey_wanted(due));
      // Asked for once, the timer is not armed for it again.
      ring.on_timer(due);
      CHECK(ring.next_timeout() == kStart + 540s);
    }
    CHECK(shortest >= 110s);
    CHECK(shortest < 111s);
    CHECK(longest <= 120s);
    CHECK(longest > 119s);
    Link link;
    link.shake(kStart);
    link.send(kStart);
    CHECK_FALSE(link.b.rekey_wanted(kStart + 150s - 1ns));
    CHECK(link.b.rekey_wanted(kStart + 150s));
    Keyring empty(link.random, {});
    CHECK_FALSE(empty.rekey_wanted(kStart + 999s));
    Link forced({.rekey_after = 5s, .rekey_jitter = 0s});
    forced.shake(kStart);
    CHECK_FALSE(forced.a.rekey_wanted(kStart + 5s - 1ns));
    CHECK(forced.a.rekey_wanted(kStart + 5s));
  }

  TEST_CASE("packet numbers end 2^16 below the wrap, and ask for a rekey at 2^31") {
    Link link;
    link.shake(kStart);
    link.a.skip_numbers(kPath, 0x7ffffffe);
    CHECK(link.send(kStart).result == OpenResult::Ok);
    CHECK_FALSE(link.a.rekey_wanted(kStart));
    CHECK_FALSE(link.b.rekey_wanted(kStart));
    CHECK(link.send(kStart).result == OpenResult::Ok);
    CHECK(link.send(kStart).result == OpenResult::Ok);
    CHECK(link.a.rekey_wanted(kStart));
    CHECK(link.b.rekey_wanted(kStart));
    link.a.skip_numbers(kPath, 0);  // never back
    CHECK(link.a.take_number(kStart, kPath)->number() == 0x80000001);
    link.a.skip_numbers(kPath, 0xfffeffff);
    CHECK(link.a.take_number(kStart, kPath)->number() == 0xfffeffff);
    CHECK_FALSE(link.a.take_number(kStart, kPath));
    link.a.skip_numbers(kPath, 0xffffffff);
    CHECK_FALSE(link.a.take_number(kStart, kPath));
    CHECK(link.a.take_number(kStart, PathId{0})->number() == 0);
  }

  TEST_CASE("AES blocks ask for a rekey and then end the key, ChaCha has no such limit") {
    if (!aes_available()) return;
    // A packet of 8 + 20 bytes costs 1 + 2 + 2 blocks.
    const KeyLimits limits{.rekey_aes_blocks = 20, .reject_aes_blocks = 40};
    Link link(limits);
    link.shake(kStart, Cipher::Aes256Gcm);
    for (int i = 0; i < 3; ++i) CHECK(link.send(kStart).result == OpenResult::Ok);
    CHECK_FALSE(link.a.rekey_wanted(kStart));
    CHECK_FALSE(link.b.rekey_wanted(kStart));
    CHECK(link.send(kStart).result == OpenResult::Ok);
    CHECK(link.a.rekey_wanted(kStart));
    CHECK(link.b.rekey_wanted(kStart));
    for (int i = 4; i < 7; ++i) CHECK(link.send(kStart).result == OpenResult::Ok);
    auto held = link.a.take_number(kStart, kPath);
    CHECK(link.send(kStart).result == OpenResult::Ok);
    CHECK_FALSE(link.a.take_number(kStart, kPath));
    // A peer that goes on regardless is not opened.
    Wire wire;
    wire.cid = held->cid();
    wire.number = held->number();
    REQUIRE(link.a.seal(std::move(*held), wire.ad(), wire.text(), wire.tag()));
    CHECK(link.b.open(kStart, link.b_id, wire.packet()).result == OpenResult::Expired);
    Link chacha(limits);
    chacha.shake(kStart);
    for (int i = 0; i < 20; ++i) CHECK(chacha.send(kStart).result == OpenResult::Ok);
    CHECK_FALSE(chacha.a.rekey_wanted(kStart));
  }

  TEST_CASE("too many failed opens ask for a rekey") {
    Link link({.rekey_failed_opens = 3});
    link.shake(kStart);
    link.send(kStart);
    for (int i = 0; i < 3; ++i) {
      CHECK_FALSE(link.b.rekey_wanted(kStart));
      Wire junk;
      junk.cid = link.b.current()->cids.local;
      CHECK(link.b.open(kStart, link.b_id, junk.packet()).result == OpenResult::BadTag);
    }
    CHECK(link.b.rekey_wanted(kStart));
  }

  TEST_CASE("two epochs wait at most; the older gives way, a live one survives one replay") {
    Link link;
    link.shake(kStart);
    link.send(kStart);
    link.shake(kStart + 1s);
    const EpochId live = link.b_id;
    const TrafficKeys other = link.fresh_keys();
    link.b.install_responder(kStart + 2s, other, {0x200000, 0x80});
    CHECK(link.b.waiting_count() == 2);
    CHECK(link.b.take_freed().empty());
    auto wire = seal_on(link.a, kStart + 2s, kPath);
    Wire copy = *wire;
    CHECK(link.b.open(kStart + 2s, live, wire->packet()).promoted);
    CHECK(link.b.waiting_count() == 1);

    link.b.install_responder(kStart + 3s, other, {0x200040, 0x80});
    CHECK(link.b.take_freed().empty());
    link.b.install_responder(kStart + 4s, other, {0x200080, 0x80});
    const auto freed = link.b.take_freed();
    REQUIRE(freed.size() == 1);
    CHECK(freed[0] == 0x200000);
    CHECK(link.b.waiting_count() == 2);
    CHECK(link.b.open(kStart + 4s, live, copy.packet()).result == OpenResult::Replayed);
    CHECK(link.b.previous() != nullptr);
  }

  TEST_CASE("an epoch older than the current one opens but does not take its place") {
    Link link;
    // b answered a's handshake, then finished one of its own before a's first packet came.
    link.shake(kStart);
    const EpochId waiting = link.b_id;
    auto late = seal_on(link.a, kStart, kPath);
    auto later = seal_on(link.a, kStart, kPath);
    link.b.install_initiator(kStart + 1s, link.fresh_keys(), {0x200000, 0x80});
    const Opened opened = link.b.open(kStart + 1s, waiting, late->packet());
    CHECK(opened.result == OpenResult::Ok);
    CHECK_FALSE(opened.promoted);
    CHECK(link.b.current()->cids.local == 0x200000);
    CHECK(link.b.open(kStart + 21s, waiting, later->packet()).result == OpenResult::NoKey);
  }

  TEST_CASE("a number is sealed once, and never under another key") {
    Link link;
    link.shake(kStart);
    auto number = link.a.take_number(kStart, kPath);
    Wire wire;
    CHECK(link.a.seal(std::move(*number), wire.ad(), wire.text(), wire.tag()));
    CHECK_FALSE(link.a.seal(std::move(*number), wire.ad(), wire.text(), wire.tag()));

    // A number taken before a rekey goes out under its own key ...
    auto before = link.a.take_number(kStart, kPath);
    Wire held;
    held.cid = before->cid();
    held.number = before->number();
    const EpochId old = link.b_id;
    link.shake(kStart + 1s);
    CHECK(link.a.seal(std::move(*before), held.ad(), held.text(), held.tag()));
    CHECK(link.b.open(kStart + 1s, old, held.packet()).result == OpenResult::Ok);
    // ... or, when that is gone, not at all.
    auto orphan = link.a.take_number(kStart + 1s, kPath);
    link.a.erase_all();
    Wire untouched;
    CHECK_FALSE(link.a.seal(std::move(*orphan), untouched.ad(), untouched.text(), untouched.tag()));
    CHECK(untouched.bytes == Wire{}.bytes);
  }

  TEST_CASE("erase_all leaves nothing") {
    Link link;
    link.shake(kStart);
    link.send(kStart);
    link.shake(kStart + 1s);
    link.b.erase_all();
    CHECK(link.b.take_freed().size() == 2);
    CHECK(link.b.current() == nullptr);
    CHECK(link.b.waiting_count() == 0);
    CHECK_FALSE(link.b.can_send(kStart + 1s));
    CHECK(link.b.next_timeout() == kNever);
  }

  TEST_CASE("a fast path gets the large window") {
    Link link;
    link.shake(kStart);
    link.b.set_fast(PathId{1});
    for (const std::uint8_t path : {std::uint8_t{1}, std::uint8_t{2}}) {
      auto old = seal_on(link.a, kStart, PathId{path});
      link.a.skip_numbers(PathId{path}, 20'000);
      CHECK(link.send(kStart, PathId{path}).result == OpenResult::Ok);
      const OpenResult result = link.b.open(kStart, link.b_id, old->packet()).result;
      CHECK(result == (path == 1 ? OpenResult::Ok : OpenResult::Replayed));
    }
  }

  TEST_CASE("sealing and opening allocate nothing after a path's first packet") {
    Link link;
    link.shake(kStart);
    CHECK(link.send(kStart).result == OpenResult::Ok);
    const std::size_t before = allocation_count;
    bool good = true;
    for (int i = 0; i < 1000; ++i) {
      auto wire = seal_on(link.a, kStart, kPath);
      good = good && link.b.open(kStart, link.b_id, wire->packet()).result == OpenResult::Ok;
      good = good && link.b.open(kStart, link.b_id, wire->packet()).result != OpenResult::Ok;
    }
    const std::size_t after = allocation_count;
    CHECK(good);
    CHECK(after == before);
  }

  TEST_CASE("no (key, nonce) repeats in 10^6 steps of paths that come and go and of rekeys") {
    Link link;
    std::unordered_set<std::uint64_t> used;
    used.reserve(1'100'000);
    std::array<bool, 64> present{};
    Time now = kStart;
    link.shake(now);
    std::size_t sent = 0;
    bool fresh = true;
    bool opened = true;
    for (int step = 0; step < 1'000'000; ++step) {
      const std::uint64_t kind = link.random.below(1000);
      const PathId path{static_cast<std::uint8_t>(link.random.below(64))};
      now += 20us;
      if (kind == 0) {
        link.shake(now);
      } else if (kind < 100) {
        present[path.value] = !present[path.value];  // removed or added again
      } else if (kind == 100) {
        link.a.skip_numbers(path, static_cast<std::uint32_t>(link.random.u64()));
      } else if (kind == 101) {
        link.a.skip_numbers(path, kPacketNumberEnd - 3);
      } else if (present[path.value]) {
        auto wire = seal_on(link.a, now, path);
        if (!wire) continue;  // the path has used up its numbers
        // The cid holds the epoch's slot and the path, so this is (key, nonce) in one number.
        fresh = used.insert(std::uint64_t{wire->cid} << 32 | wire->number).second && fresh;
        fresh = wire->number < kPacketNumberEnd && fresh;
        opened = link.b.open(now, link.b_id, wire->packet()).result == OpenResult::Ok && opened;
        ++sent;
      }
      link.drain();
    }
    CHECK(fresh);
    CHECK(opened);  // the receiver derived the same nonce and its windows agree
    CHECK(sent > 300'000);
  }
}
