#include "crypto/epoch.h"

#include <algorithm>

#include "base/check.h"

namespace wanbond {
namespace {

/// Blocks that one packet costs an AES key: text, associated data, the lengths and the tag's mask.
std::uint64_t blocks_of(const AeadKey& key, Bytes ad, Bytes text) noexcept {
  if (key.cipher() != Cipher::Aes256Gcm) return 0;
  return (ad.size() + 15) / 16 + (text.size() + 15) / 16 + 2;
}

}  // namespace

std::optional<std::uint32_t> SendKey::take_number(PathId path, const KeyLimits& limits) noexcept {
  check(path.value < kPathCountMax);
  std::uint32_t& next = next_[path.value];
  if (next >= kPacketNumberEnd || blocks_ >= limits.reject_aes_blocks) return std::nullopt;
  highest_next_ = std::max(highest_next_, next + 1);
  return next++;
}

void SendKey::skip_to(PathId path, std::uint32_t next) noexcept {
  check(path.value < kPathCountMax);
  next_[path.value] = std::max(next_[path.value], next);
}

void SendKey::seal(PathId path, std::uint32_t number, Bytes ad, MutableBytes text,
                   Tag tag) noexcept {
  key_.seal(packet_nonce(path, number), ad, text, tag);
  blocks_ += blocks_of(key_, ad, text);
}

bool SendKey::wants_rekey(const KeyLimits& limits) const noexcept {
  return highest_next_ >= limits.rekey_packet_number || blocks_ >= limits.rekey_aes_blocks;
}

OpenResult ReceiveKey::open(const SealedPacket& packet, std::uint32_t window_numbers,
                            const KeyLimits& limits) noexcept {
  if (blocks_ >= limits.reject_aes_blocks) return OpenResult::Expired;
  blocks_ += blocks_of(key_, packet.ad, packet.text);
  const PathId path = packet.path();
  if (!key_.open(packet_nonce(path, packet.number), packet.ad, packet.text, packet.tag)) {
    ++failed_;
    return OpenResult::BadTag;
  }
  auto& window = windows_[path.value];
  if (!window) window.emplace(window_numbers);
  if (!window->accept(packet.number)) return OpenResult::Replayed;
  highest_ = std::max(highest_, packet.number);
  return OpenResult::Ok;
}

std::optional<std::uint32_t> ReceiveKey::highest(PathId path) const noexcept {
  check(path.value < kPathCountMax);
  const auto& window = windows_[path.value];
  return window ? window->highest() : std::nullopt;
}

bool ReceiveKey::wants_rekey(const KeyLimits& limits) const noexcept {
  return highest_ >= limits.rekey_packet_number || blocks_ >= limits.rekey_aes_blocks ||
         failed_ >= limits.rekey_failed_opens;
}

}  // namespace wanbond
