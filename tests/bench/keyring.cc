// Stations 6 out and 4 to 5 in: number, key and cipher of a datagram, and its window. With the
// cipher that does nothing what is left is the book-keeping.
#include "crypto/keyring.h"

#include <array>
#include <memory>

#include "cases.h"
#include "cipher_choice.h"
#include "tests/sim/seeded_random.h"

namespace wanbond {
namespace {

constexpr Time kNow{1s};
constexpr std::size_t kAdBytes = 8;
constexpr std::size_t kAround = kAdBytes + kTagBytes;

// Both ends of a session, and one datagram that goes from one to the other in place.
class KeyringPair {
 public:
  KeyringPair(Cipher cipher, AeadLibrary library)
      : sender_(random_, {}, library), receiver_(random_, {}, library) {
    const TrafficKeys keys{cipher, Key32::generate(random_), Key32::generate(random_)};
    receiver_id_ =
        receiver_.install_responder(kNow, {cipher, keys.receive, keys.send}, {0x100040, 0x40});
    (void)sender_.install_initiator(kNow, keys, {0x40, 0x100040});
  }

  SealedPacket seal(std::size_t text_bytes) {
    const MutableBytes all = MutableBytes(datagram_).first(text_bytes + kAround);
    auto number = sender_.take_number(kNow, PathId{0});
    SealedPacket packet{number->cid(), number->number(), all.first(kAdBytes),
                        all.subspan(kAdBytes, text_bytes), ConstTag(all.last<kTagBytes>())};
    check(sender_.seal(std::move(*number), packet.ad, packet.text, all.last<kTagBytes>()));
    return packet;
  }
  void seal_and_open(std::size_t text_bytes) {
    check(receiver_.open(kNow, receiver_id_, seal(text_bytes)).result == OpenResult::Ok);
  }

 private:
  sim::SeededRandom random_{7};
  Keyring sender_, receiver_;
  EpochId receiver_id_{};
  alignas(64) std::array<std::byte, 2048> datagram_{};
};

}  // namespace

void add_keyring(Measure& measure) {
  for (const BenchCipher& cipher : bench_ciphers()) {
    choose_cipher_work(cipher.work);
    const auto pair = std::make_shared<KeyringPair>(cipher.cipher, cipher.library);
    for (const std::size_t bytes : {200, 1420}) {
      const auto name = [&](const char* what, const std::string& with) {
        return std::string(what) + " " + std::to_string(bytes) + " " + with;
      };
      measure.add({name("seal", cipher.name), [=] { keep(pair->seal(bytes)); }, 1, bytes,
                   name("seal", "null")});
      measure.add({name("seal and open", cipher.name), [=] { pair->seal_and_open(bytes); }, 1,
                   bytes, name("seal and open", "null")});
    }
  }
}

}  // namespace wanbond
