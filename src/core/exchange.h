// Exchange: this side's handshakes with one peer: when an HS_INIT is due, to which address, and
// what an answer means (protocol 2.6). Passive; the session sends what it gives and installs the
// keys it yields.
#pragma once

#include <array>
#include <optional>

#include "base/fixed.h"
#include "base/random.h"
#include "base/time.h"
#include "core/control.h"
#include "core/slots.h"
#include "crypto/cookie.h"
#include "crypto/epoch.h"
#include "crypto/handshake.h"

namespace wanbond {

/// What an HS_INIT says of us, beside time stamp, cid base and echo.
struct InitFacts {
  std::uint16_t cipher_offer = 0;
  std::uint16_t features = 0;
  std::uint16_t payload_bytes_max = 0;
  std::uint64_t boot_id = 0;
};

/// With a usable path, each try is a new message: on the best path first, then on the next. With
/// none, one message races over all addresses, 50 ms apart, and is repeated for 3 s before a new
/// one is made: its answer is then good however long the round trip takes, and costs the peer one
/// computation.
class Exchange {
 public:
  /// All references outlive it. `owner` names the peer in the slot table.
  Exchange(const LocalIdentity& local, const RemoteIdentity& remote, const InitFacts& facts,
           PeerId owner, SlotTable& slots, Random& random) noexcept;
  ~Exchange() { cancel(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  /// In the slot table, epochs from here on are tries of an exchange, below they are a keyring's.
  static constexpr std::uint16_t kAttemptOwner = 0x100;

  /// Whether any path is usable while a handshake is wanted.
  enum class Reach : std::uint8_t { SomePathUp, AllPathsDown };

  /// Begins, unless begun. The first message is due at once, or at `not_before`.
  void begin(Time now, Time not_before) noexcept;
  /// Forgets all tries and frees their connection ids.
  void cancel() noexcept;
  bool is_running() const noexcept { return running_; }
  /// We have been asking for less than 5 s: of two handshakes that cross, that of the side with
  /// the smaller static key goes on (protocol 2.6). Older tries do not reach the peer.
  bool is_crossing(Time now) const noexcept;
  /// The message under way goes to `address` at once, too: the peer has just been heard from there.
  void send_also_to(const PathAddress& address) noexcept;

  struct Message {
    PathAddress to;
    InitMessage bytes;
  };
  /// The HS_INIT that is due now, if any; call until none.
  std::optional<Message> poll(Time now, WallTime wall, Reach reach,
                              const Control::Targets& targets) noexcept;
  Time next_timeout() const noexcept;

  struct Completed {
    RespPayload payload;
    TrafficKeys keys;
    ConnectionIds cids;  // the local one is now the caller's to release
  };
  /// The outcome, if `message` (well-formed, its mac1 good) answers one of our tries; then the
  /// exchange is over.
  std::optional<Completed> on_response(Bytes message) noexcept;
  /// True when `reply` (well-formed) answers one of our tries: the next message is due at once and
  /// carries the cookie.
  bool on_cookie(Time now, Bytes reply, const PathAddress& from) noexcept;

 private:
  struct Attempt {
    InitiatorHandshake handshake;
    bool cookie_used = false;
  };
  struct HeldCookie {
    PathAddress address;
    Cookie cookie{};
    Time received{};
  };
  bool start_attempt(Time now, WallTime wall, const PathAddress& to) noexcept;
  void drop(std::optional<Attempt>& attempt) noexcept;
  std::size_t best_start(Time now, const Control::Targets& targets) const noexcept;
  const HeldCookie* cookie_for(Time now, const PathAddress& to) const noexcept;
  Message message_to(Time now, const PathAddress& to) const noexcept;
  Duration wait_after_try(Time now, Reach reach) noexcept;

  const LocalIdentity& local_;
  const RemoteIdentity& remote_;
  InitFacts facts_;
  PeerId owner_;
  SlotTable& slots_;
  Random& random_;

  bool running_ = false;
  Time began_{};
  Time first_sent_ = kNever;
  Time next_ = kNever;
  std::optional<PathAddress> also_to_;
  Time attempt_began_{};
  std::size_t tries_ = 0;       // rounds since begin()
  std::size_t race_start_ = 0;  // index of the target that this round began with
  std::size_t target_ = 0;      // of the race, how many had their copy in this round
  std::optional<Attempt> attempt_, previous_;
  FixedVector<HeldCookie, 16> cookies_;
};

}  // namespace wanbond
