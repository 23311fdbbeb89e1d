// AnswerCache: HS_RESPs of the last seconds. A peer sends one HS_INIT over all its WANs and repeats
// it; every copy is answered from here and costs no computation (protocol 2.6).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "crypto/handshake_message.h"

namespace wanbond {

/// The newest 32 answers, each for 5 s and 8 copies.
class AnswerCache {
 public:
  void store(Time now, Bytes init, const RespMessage& answer) noexcept;
  /// The answer to exactly this HS_INIT but for its mac2, if it was answered before; null if not.
  /// `spent`: it was, but often enough.
  struct Found {
    const RespMessage* answer = nullptr;
    bool spent = false;
  };
  Found find(Time now, Bytes init) noexcept;

 private:
  /// All of an HS_INIT before its macs: two with the same ephemeral key but another content are
  /// not the same message.
  static constexpr std::size_t kIdentityBytes = kInitBytes - 2 * kMacBytes;
  struct Entry {
    std::array<std::byte, kIdentityBytes> init{};
    RespMessage answer{};
    Time stored{};
    int copies = 0;
    bool used = false;
  };
  std::array<Entry, 32> entries_{};
  std::size_t next_ = 0;
};

}  // namespace wanbond
