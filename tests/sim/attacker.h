// Attacker: somebody on the Internet with the public keys, who sees all datagrams, sends what he
// likes from any address, and counts what comes back to his own.
#pragma once

#include <deque>

#include "crypto/identity.h"
#include "tests/sim/scene.h"

namespace wanbond::sim {

/// Records the last datagrams of a Scene (takes its tap) and makes bad ones of them.
class Attacker {
 public:
  enum class Stimulus {
    Garbage,    // random bytes of random length, any type
    Truncated,  // a recorded one, cut or extended
    Flipped,    // a recorded one with one bit changed
    Moved,      // a recorded one with another path or connection
    Replayed,   // a recorded one as it was, from its own source
    Reflected,  // a recorded one back to its sender
    Count
  };
  explicit Attacker(Scene& scene);

  /// Sends one to `victim`, from the attacker's address or (Replayed, Reflected) a forged one.
  void send(Stimulus stimulus, const Endpoint& victim);
  /// An HS_INIT with a right mac1 for `victim` and nothing else right, from a forged address.
  void send_flood(const GuardKeys& victim_guard, const Endpoint& victim);

  std::uint64_t sent_count() const noexcept { return sent_count_; }
  /// From and to the attacker's own address.
  std::uint64_t sent_bytes() const noexcept { return sent_bytes_; }
  std::uint64_t received_bytes() const noexcept { return received_bytes_; }
  std::uint64_t received_count() const noexcept { return received_count_; }
  void stop_recording() { scene_.internet().set_tap({}); }

 private:
  static constexpr std::size_t kRecordMax = 2000;
  ByteString garbage();
  void alter(Stimulus stimulus, ByteString& bytes);
  void inject(Datagram&& datagram);

  Scene& scene_;
  SeededRandom random_;
  std::deque<Datagram> recorded_;
  std::uint64_t sent_count_ = 0;
  std::uint64_t sent_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t received_count_ = 0;
};

}  // namespace wanbond::sim
