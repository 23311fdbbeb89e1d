// What keeps strangers from costing anything: mac1 on every handshake message, and under load a
// cookie that proves the source address (mac2), after WireGuard (protocol 1.4, 2.1, 2.8).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "crypto/handshake_message.h"
#include "crypto/identity.h"

namespace wanbond {

using Cookie = std::array<std::byte, 16>;

/// The last 32 bytes of an HS_INIT or HS_RESP are mac1 and mac2; any other size aborts.
void write_mac1(const GuardKeys& receiver, MutableBytes message) noexcept;
/// Writes mac2 = MAC(cookie, all before it).
void set_mac2(MutableBytes message, const Cookie& cookie) noexcept;
/// True when `message` is an HS_INIT or HS_RESP in size and its mac1 was made for `receiver`
/// (LocalIdentity::guard()).
[[nodiscard]] bool verify_mac1(const GuardKeys& receiver, Bytes message) noexcept;

/// Eight bytes that show possession of a cookie inside the encrypted payload, so that a peer whose
/// clock went back can still come in (protocol 2.6).
std::uint64_t retry_echo(const Cookie& cookie) noexcept;

/// Opens an HS_COOKIE. `sent_mac1` is that of the message it answers, `responder` the peer's guard
/// (RemoteIdentity::guard()). None when it is not an answer to that.
std::optional<Cookie> open_cookie_reply(Bytes reply,
                                        std::span<const std::byte, kMacBytes> sent_mac1,
                                        const GuardKeys& responder) noexcept;

/// The answering side: cookies are a MAC of the source under a secret that is replaced every 120 s,
/// so nothing is kept per source.
class CookieJar {
 public:
  /// `random` is used from now on and outlives the jar.
  explicit CookieJar(Random& random) noexcept : random_(random) {}

  /// The cookie for a source address and port.
  Cookie cookie_for(Time now, const Endpoint& source) noexcept;
  /// True when mac2 of an HS_INIT was made with the current or the previous cookie of `source`.
  [[nodiscard]] bool verify_mac2(Time now, const Endpoint& source, Bytes message) noexcept;
  /// True when `echo` is that of the current or the previous cookie of `source`.
  [[nodiscard]] bool matches_echo(Time now, const Endpoint& source, std::uint64_t echo) noexcept;
  /// The HS_COOKIE that answers `message` (an HS_INIT whose mac1 is good) from `source`. `local` is
  /// LocalIdentity::guard().
  CookieReply make_reply(Time now, const GuardKeys& local, Bytes message,
                         const Endpoint& source) noexcept;

 private:
  struct TimedSecret {
    Key32 key;
    Time made;
  };
  void rotate(Time now) noexcept;
  /// True when `test` holds for the current or the previous cookie of `source`.
  template <class Test>
  bool any_cookie(Time now, const Endpoint& source, Test test) noexcept;

  Random& random_;
  std::optional<TimedSecret> current_;
  std::optional<TimedSecret> previous_;
};

}  // namespace wanbond
