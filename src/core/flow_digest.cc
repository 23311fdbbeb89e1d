#include "core/flow_digest.h"

#include <cstring>

namespace wanbond {
namespace {

// Both halves of the 128-bit product, folded: every bit of either factor reaches the result.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

FlowDigest::FlowDigest(Random& random) noexcept {
  for (std::uint64_t& key : keys_) key = random.u64() | 1;
}

std::uint64_t FlowDigest::operator()(const InnerPacket& inner) const noexcept {
  std::array<std::uint64_t, kWords> words;
  std::memcpy(words.data(), inner.source.mapped().data(), 16);
  std::memcpy(words.data() + 2, inner.destination.mapped().data(), 16);
  words[4] = std::uint64_t{inner.source_port} << 32 | std::uint64_t{inner.destination_port} << 16 |
             std::uint64_t{inner.protocol} << 8 | inner.version;
  std::uint64_t digest = 0;
  for (std::size_t i = 0; i < kWords; ++i) digest = mix(digest ^ words[i] ^ keys_[i], keys_[0]);
  return digest;
}

}  // namespace wanbond
