// One set of traffic keys in use: the sending key with its packet numbers, the receiving key with
// its replay windows, and the facts of the epoch (protocol 2.3 to 2.5).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/handshake.h"
#include "crypto/limits.h"
#include "crypto/replay.h"

namespace wanbond {

/// A key for sending and the next packet number of every path under it. The numbers live here and
/// not with the path: a path that is removed and added again goes on counting, so (key, nonce)
/// never repeats (protocol 2.3).
class SendKey {
 public:
  SendKey(Cipher cipher, const Key32& key, AeadLibrary library) noexcept
      : key_(cipher, key, library) {}

  /// The path's next number, given out once; none from kPacketNumberEnd on, or above
  /// `limits.reject_aes_blocks`. `path` < 64.
  std::optional<std::uint32_t> take_number(PathId path, const KeyLimits& limits) noexcept;
  /// Moves the path's next number forward to `next`; never back.
  void skip_to(PathId path, std::uint32_t next) noexcept;
  /// Seals under a number from take_number, used once.
  void seal(PathId path, std::uint32_t number, Bytes ad, MutableBytes text, Tag tag) noexcept;
  bool wants_rekey(const KeyLimits& limits) const noexcept;
  const AeadKey& key() const noexcept { return key_; }
  std::uint64_t aes_blocks() const noexcept { return blocks_; }

 private:
  AeadKey key_;
  std::array<std::uint32_t, kPathCountMax> next_{};
  std::uint32_t highest_next_ = 0;
  std::uint64_t blocks_ = 0;
};

/// One protected datagram, cut up. A relay packet has empty text.
struct SealedPacket {
  std::uint32_t cid = 0;     // as it came: the cid base of the epoch | path
  std::uint32_t number = 0;  // as it came
  Bytes ad;                  // clear bytes, all that the tag also covers
  MutableBytes text;         // opened in place
  ConstTag tag;

  PathId path() const noexcept { return PathId{static_cast<std::uint8_t>(cid % kPathCountMax)}; }
};

/// Why a packet was refused; Ok is the only good one.
enum class OpenResult : std::uint8_t {
  Ok,
  BadTag,    // forged, damaged, or of another key; `text` is zeros now
  Replayed,  // authentic but seen before, too old for the window, or beyond the last number
  Expired,   // the key is too old or worn out; nothing was tried
  NoKey,     // the epoch is gone
};

/// A key for receiving, with a replay window per path, allocated when the path's first packet
/// authenticates.
class ReceiveKey {
 public:
  ReceiveKey(Cipher cipher, const Key32& key, AeadLibrary library) noexcept
      : key_(cipher, key, library) {}

  /// The tag, then the window. `window_numbers` counts only for the path's first packet.
  OpenResult open(const SealedPacket& packet, std::uint32_t window_numbers,
                  const KeyLimits& limits) noexcept;
  /// Highest number accepted on a path; none before its first packet.
  std::optional<std::uint32_t> highest(PathId path) const noexcept;
  bool wants_rekey(const KeyLimits& limits) const noexcept;
  std::uint64_t failed_count() const noexcept { return failed_; }
  std::uint64_t aes_blocks() const noexcept { return blocks_; }

 private:
  AeadKey key_;
  std::array<std::optional<ReplayWindow>, kPathCountMax> windows_;
  std::uint32_t highest_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t failed_ = 0;
};

/// The cid bases of an epoch: `local` is ours and in the packets we receive, `remote` the peer's.
struct ConnectionIds {
  std::uint32_t local = 0;
  std::uint32_t remote = 0;
};

/// What the keyring knows of one epoch; made and owned by it.
struct Epoch {
  Epoch(const TrafficKeys& keys, const ConnectionIds& connection, AeadLibrary library) noexcept
      : cids(connection),
        send(keys.cipher, keys.send, library),
        receive(keys.cipher, keys.receive, library) {}

  ConnectionIds cids;
  SendKey send;
  ReceiveKey receive;
  NoiseRole role = NoiseRole::Initiator;  // ours in its handshake
  Time created{};
  Time rekey_at = kNever;  // by age, jitter included
  Time erase_at = kNever;
  std::uint64_t serial = 0;  // order of installation within the keyring
  bool peer_proven = false;  // a packet of the peer authenticated under it
};

}  // namespace wanbond
