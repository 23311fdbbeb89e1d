// The self-test that a library passes before it is used (choose_aead): it must agree with
// libsodium in every byte, in place and out of place, and release nothing of what was forged.
#include <algorithm>
#include <array>
#include <cstdint>

#include "crypto/aead_backend.h"

namespace wanbond {
namespace {

/// Lengths around the block sizes of AES (16), of ChaCha (64) and of what is computed in parallel
/// (128 to 1024 bytes), and a full packet.
constexpr std::array<std::size_t, 14> kSizes{0,   1,   15,  16,  17,  63,   64,
                                             127, 129, 255, 256, 768, 1025, 1420};
constexpr std::size_t kSizeMax = 1420;
constexpr std::size_t kContextBytesMax = 1024;

using Text = std::array<std::byte, kSizeMax>;
using TagBytes = std::array<std::byte, kTagBytes>;

/// Bytes that differ from their neighbours and from one `seed` to the next.
template <std::size_t N>
std::array<std::byte, N> pattern(std::uint32_t seed) noexcept {
  std::array<std::byte, N> bytes;
  for (std::byte& b : bytes) {
    seed = seed * 1664525 + 1013904223;
    b = static_cast<std::byte>(seed >> 24);
  }
  return bytes;
}

/// One library with one key.
class Prepared {
 public:
  Prepared(const AeadBackend& backend, const std::array<std::byte, kKeyBytes>& key) noexcept
      : backend_(backend) {
    backend_.prepare(context_, key);
  }
  void seal(const AeadNonce& nonce, Bytes ad, Bytes text, std::byte* out, Tag tag) const noexcept {
    backend_.seal(context_, nonce, ad, text, out, tag);
  }
  bool open(const AeadNonce& nonce, Bytes ad, MutableBytes text, ConstTag tag) const noexcept {
    return backend_.open(context_, nonce, ad, text, tag);
  }

 private:
  alignas(64) std::array<std::byte, kContextBytesMax> context_{};
  const AeadBackend& backend_;
};

bool agrees_at(const Prepared& subject, const Prepared& reference, std::size_t size) noexcept {
  const auto seed = static_cast<std::uint32_t>(size);
  const Text text = pattern<kSizeMax>(seed);
  const auto ad = pattern<16>(seed + 1);
  const auto nonce = pattern<std::tuple_size_v<AeadNonce>>(seed + 2);
  Text expected{};
  Text place = text;
  Text beside{};
  TagBytes expected_tag{};
  TagBytes tag{};
  reference.seal(nonce, ad, Bytes(text).first(size), expected.data(), expected_tag);
  subject.seal(nonce, ad, Bytes(text).first(size), beside.data(), tag);
  if (beside != expected || tag != expected_tag) return false;
  tag.fill({});
  const MutableBytes body = MutableBytes(place).first(size);
  subject.seal(nonce, ad, body, place.data(), tag);
  if (!std::ranges::equal(body, Bytes(expected).first(size)) || tag != expected_tag) return false;
  if (!subject.open(nonce, ad, body, tag) || place != text) return false;
  std::ranges::copy(Bytes(expected).first(size), place.begin());
  tag[size % kTagBytes] ^= std::byte{1};
  return !subject.open(nonce, ad, body, tag) &&
         std::ranges::all_of(body, [](std::byte b) { return b == std::byte{}; });
}

}  // namespace

bool aead_agrees(const AeadBackend& subject, const AeadBackend& reference) noexcept {
  if (subject.context_bytes > kContextBytesMax) return false;
  const auto key = pattern<kKeyBytes>(1);
  const Prepared a(subject, key);
  const Prepared b(reference, key);
  return std::ranges::all_of(kSizes, [&](std::size_t size) { return agrees_at(a, b, size); });
}

}  // namespace wanbond
