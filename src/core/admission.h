// Admission: who may make this node compute. Handshake messages that passed the cheap checks wait
// here for their turn; one is worked off per batch and 1000 per second (protocol 2.8, decisions 1),
// so a flood costs live sessions nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/time.h"

namespace wanbond {

/// A bucket of permits that refills with time: at most `burst` at once, `per_second` on average.
class TokenBucket {
 public:
  constexpr TokenBucket(unsigned per_second, unsigned burst) noexcept
      : interval_(Duration(1s) / per_second), burst_(burst) {}
  /// Takes one permit if there is one.
  bool take(Time now) noexcept;
  /// When take() will next succeed.
  Time next_permit(Time now) const noexcept;

 private:
  Duration interval_;
  unsigned burst_;
  Time empty_at_{};  // the bucket holds (now - empty_at_) / interval_ permits
};

/// A handshake message (HS_INIT or HS_RESP) that waits for its Diffie-Hellman step.
struct PendingHandshake {
  static constexpr std::size_t kBytesMax = 176;
  std::array<std::byte, kBytesMax> bytes;
  std::uint16_t size = 0;
  SocketId socket;
  Endpoint remote;
  IpAddress local;

  Bytes message() const noexcept { return Bytes(bytes).first(size); }
};

/// Bounded queue, per-source limits and the budget of Diffie-Hellman steps. Sources share a
/// bucket when their /32 or /64 fall in the same of 4096; the seed is random, so nobody can choose
/// whom he shares with.
class Admission {
 public:
  explicit Admission(Random& random);

  /// 20 per second with a burst of 5 for the source's /32 or /64.
  bool source_allowed(Time now, const IpAddress& source) noexcept;
  /// False when 4096 wait already.
  bool push(Time now, const PendingHandshake& message) noexcept;
  /// The next message, if the budget allows one now.
  std::optional<PendingHandshake> pop(Time now) noexcept;
  /// 512 wait, or did within the last second: then a cookie is asked for first.
  bool under_load(Time now) const noexcept { return queued_ >= kLoadCount || now < load_until_; }
  /// At most 2000 cookie replies per second.
  bool cookie_allowed(Time now) noexcept { return cookies_.take(now); }
  /// When pop() will next give something.
  Time next_timeout(Time now) const noexcept;

 private:
  static constexpr std::size_t kQueueMax = 4096;
  static constexpr std::size_t kLoadCount = 512;
  static constexpr std::size_t kSourceBuckets = 4096;

  std::uint64_t seed_;
  std::vector<PendingHandshake> queue_;
  std::size_t head_ = 0;
  std::size_t queued_ = 0;
  Time load_until_{};
  TokenBucket budget_{1000, 10};
  TokenBucket cookies_{2000, 50};
  std::vector<TokenBucket> sources_;
};

}  // namespace wanbond
