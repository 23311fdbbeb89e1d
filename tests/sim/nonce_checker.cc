#include "tests/sim/nonce_checker.h"

#include "tests/sim/hash.h"

namespace wanbond::sim {
namespace {

constexpr std::uint8_t kInit = 0x71;
constexpr std::uint8_t kResp = 0x72;
constexpr std::uint8_t kData = 0x74;
constexpr std::uint8_t kCtrl = 0x75;

}  // namespace

bool NonceChecker::on_datagram(unsigned from, unsigned to, Bytes datagram) {
  ByteReader reader(datagram);
  const std::uint32_t first = reader.u32();
  const std::uint32_t second = reader.u32();
  if (!reader.ok()) return true;
  const std::uint8_t type = first & 0xff;
  if (type == kInit && datagram.size() >= 40) on_handshake({from, second}, datagram.subspan(8, 32));
  if (type == kResp && datagram.size() >= 44)
    on_handshake({from, second}, datagram.subspan(12, 32));
  if (type != kData && type != kCtrl) return true;
  const std::uint32_t cid = first >> 8;
  const Base base{to, cid & ~std::uint32_t{kPaths - 1}};
  std::uint64_t& next = next_[{base, from}][cid % kPaths];
  if (second < next) return false;
  next = std::uint64_t{second} + 1;
  return true;
}

void NonceChecker::on_handshake(const Base& base, Bytes ephemeral) {
  const std::uint64_t hash = Hash().add(ephemeral).value();
  std::uint64_t& known = ephemerals_[base];
  if (known == hash) return;  // the same message again: the same key
  known = hash;
  next_.erase(next_.lower_bound({base, 0}), next_.upper_bound({base, ~0U}));
}

}  // namespace wanbond::sim
