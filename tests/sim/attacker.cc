#include "tests/sim/attacker.h"

#include <utility>

#include "crypto/cookie.h"
#include "crypto/handshake_message.h"

namespace wanbond::sim {
namespace {

const Endpoint kOwn{IpAddress::v4(0xcb007166), 6666};  // 203.0.113.102
constexpr std::size_t kMacOffset = kInitBytes - 2 * kMacBytes;

}  // namespace

Attacker::Attacker(Scene& scene) : scene_(scene), random_(scene.world().random().next()) {
  scene_.internet().attach(kOwn.address, {~0U, [this](Datagram&& datagram) {
                                            received_bytes_ += datagram.bytes.size();
                                            ++received_count_;
                                          }});
  scene_.internet().set_tap([this](Datagram& datagram) {
    recorded_.push_back(datagram);
    if (recorded_.size() > kRecordMax) recorded_.pop_front();
    return Internet::Verdict::Pass;
  });
}

void Attacker::send(Stimulus stimulus, const Endpoint& victim) {
  if (stimulus == Stimulus::Garbage || recorded_.empty())
    return inject({kOwn, victim, 0, garbage()});
  Datagram datagram = recorded_[random_.below(recorded_.size())];
  if (stimulus == Stimulus::Reflected) {
    std::swap(datagram.from, datagram.to);
  } else if (stimulus != Stimulus::Replayed) {
    datagram.from = kOwn;
    alter(stimulus, datagram.bytes);
  }
  inject(std::move(datagram));
}

ByteString Attacker::garbage() {
  ByteString bytes(random_.below(std::uint64_t{1500}));
  random_.fill(bytes);
  // Half of it looks like one of ours at first sight.
  if (!bytes.empty() && random_.chance_ppm(500'000))
    bytes[0] = static_cast<std::byte>(0x70 + random_.below(std::uint64_t{8}));
  return bytes;
}

void Attacker::alter(Stimulus stimulus, ByteString& bytes) {
  if (stimulus == Stimulus::Truncated) {
    const std::size_t size = random_.below(bytes.size() + 64);
    bytes.resize(size == bytes.size() ? size + 1 : size);
  } else if (stimulus == Stimulus::Flipped) {
    bytes[random_.below(bytes.size())] ^=
        static_cast<std::byte>(1U << random_.below(std::uint64_t{8}));
  } else {
    bytes[1 + random_.below(std::uint64_t{3})] ^=
        static_cast<std::byte>(1 + random_.below(std::uint64_t{255}));
  }
}

void Attacker::send_flood(const GuardKeys& victim_guard, const Endpoint& victim) {
  ByteString bytes(kInitBytes);
  random_.fill(MutableBytes(bytes).first(kMacOffset));
  ByteWriter writer(bytes);
  writer.u8(kHandshakeInitType);
  writer.u8(kHandshakeVersion);
  writer.u16(0);
  writer.u32(static_cast<std::uint32_t>(random_.next()) & 0x00ffffc0);
  write_mac1(victim_guard, bytes);
  const auto source = static_cast<std::uint32_t>(random_.next());
  inject(
      {{IpAddress::v4(0x64400000 | (source & 0x3fffff)), static_cast<std::uint16_t>(source >> 16)},
       victim,
       0,
       std::move(bytes)});
}

void Attacker::inject(Datagram&& datagram) {
  ++sent_count_;
  if (datagram.from == kOwn) sent_bytes_ += datagram.bytes.size();
  scene_.internet().inject(std::move(datagram));
}

}  // namespace wanbond::sim
