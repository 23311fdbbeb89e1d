#include "core/exchange.h"

#include <algorithm>
#include <utility>

#include "crypto/limits.h"
#include "proto/limits.h"

namespace wanbond {
namespace {

constexpr Duration kMessageLife = 3s;

}  // namespace

Exchange::Exchange(const LocalIdentity& local, const RemoteIdentity& remote, const InitFacts& facts,
                   PeerId owner, SlotTable& slots, Random& random) noexcept
    : local_(local),
      remote_(remote),
      facts_(facts),
      owner_(owner),
      slots_(slots),
      random_(random) {}

void Exchange::begin(Time now, Time not_before) noexcept {
  if (running_) return;
  running_ = true;
  began_ = now;
  first_sent_ = kNever;
  next_ = std::max(now, not_before);
  tries_ = target_ = 0;
}

void Exchange::cancel() noexcept {
  running_ = false;
  also_to_.reset();
  drop(attempt_);
  drop(previous_);
}

bool Exchange::is_crossing(Time now) const noexcept {
  return running_ && first_sent_ != kNever && now - first_sent_ < kHandshakeCrossingSpan;
}

void Exchange::send_also_to(const PathAddress& address) noexcept {
  if (attempt_) also_to_ = address;
}

Time Exchange::next_timeout() const noexcept {
  if (!running_) return kNever;
  return also_to_ ? Time{} : next_;
}

void Exchange::drop(std::optional<Attempt>& attempt) noexcept {
  if (attempt) slots_.release(attempt->handshake.cid_base());
  attempt.reset();
}

bool Exchange::start_attempt(Time now, WallTime wall, const PathAddress& to) noexcept {
  const auto cid_base = slots_.allocate({owner_, kAttemptOwner}, random_);
  if (!cid_base) return false;
  const HeldCookie* cookie = cookie_for(now, to);
  const InitPayload payload{.timestamp = tai64n(wall),
                            .cipher_offer = facts_.cipher_offer,
                            .features = facts_.features,
                            .cid_base = *cid_base,
                            .highest_path = kPathCountMax - 1,
                            .payload_bytes_max = facts_.payload_bytes_max,
                            .boot_id = facts_.boot_id,
                            .retry_echo = cookie == nullptr ? 0 : retry_echo(cookie->cookie)};
  drop(previous_);
  if (attempt_) {
    previous_.emplace(*attempt_);
    attempt_.reset();
  }
  attempt_.emplace(Attempt{InitiatorHandshake(local_, remote_, payload, random_)});
  attempt_began_ = now;
  return true;
}

const Exchange::HeldCookie* Exchange::cookie_for(Time now, const PathAddress& to) const noexcept {
  for (const HeldCookie& held : cookies_) {
    const bool fresh = now - held.received < kCookieSecretLife;
    if (fresh && held.address.socket == to.socket && held.address.remote == to.remote) return &held;
  }
  return nullptr;
}

/// Where we hold a cookie: the echo in the message is good there only.
std::size_t Exchange::best_start(Time now, const Control::Targets& targets) const noexcept {
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (cookie_for(now, targets[i]) != nullptr) return i;
  return 0;
}

Exchange::Message Exchange::message_to(Time now, const PathAddress& to) const noexcept {
  Message message{to, attempt_->handshake.message()};
  if (const HeldCookie* held = cookie_for(now, to)) set_mac2(message.bytes, held->cookie);
  return message;
}

std::optional<Exchange::Message> Exchange::poll(Time now, WallTime wall, Reach reach,
                                                const Control::Targets& targets) noexcept {
  if (!running_) return {};
  if (also_to_) return message_to(now, *std::exchange(also_to_, std::nullopt));
  if (now < next_) return {};
  if (targets.empty()) {
    next_ = now + kHandshakeDownRetry;
    return {};
  }
  const bool racing = reach == Reach::AllPathsDown;
  const bool round_begins = !racing || target_ == 0;
  if (round_begins) race_start_ = best_start(now, targets);
  const PathAddress& to = targets[(race_start_ + (racing ? target_ : tries_)) % targets.size()];
  const bool message_is_old = !attempt_ || !racing || now - attempt_began_ >= kMessageLife;
  if (round_begins && message_is_old && !start_attempt(now, wall, to)) {
    next_ = now + kHandshakeDownRetry;
    return {};
  }
  if (racing && ++target_ < targets.size()) {
    next_ = now + kHandshakeRaceGap;
  } else {
    target_ = 0;
    next_ = now + wait_after_try(now, reach);
    ++tries_;
  }
  first_sent_ = std::min(first_sent_, now);
  return message_to(now, to);
}

Duration Exchange::wait_after_try(Time now, Reach reach) noexcept {
  if (reach == Reach::SomePathUp) {
    const Duration base = kHandshakeRetry[std::min(tries_, kHandshakeRetry.size() - 1)];
    return base + random_.below(kHandshakeRetryJitterMax);
  }
  if (now - began_ < kHandshakeDownRetrySpan) return kHandshakeDownRetry;
  constexpr std::size_t kQuickTries = kHandshakeDownRetrySpan / kHandshakeDownRetry;
  const std::size_t late = tries_ > kQuickTries ? tries_ - kQuickTries : 0;
  const Duration base = kHandshakeDownBackoff[std::min(late, kHandshakeDownBackoff.size() - 1)];
  return base * 3 / 4 + random_.below(base / 2);
}

std::optional<Exchange::Completed> Exchange::on_response(Bytes message) noexcept {
  for (std::optional<Attempt>* attempt : {&attempt_, &previous_}) {
    if (!*attempt || (*attempt)->handshake.cid_base() != answered_cid_base(message)) continue;
    const auto completed = (*attempt)->handshake.consume_response(message);
    if (!completed) return {};
    const ConnectionIds cids{(*attempt)->handshake.cid_base(), completed->payload.cid_base};
    attempt->reset();  // its slot goes to the caller
    cancel();
    return Completed{completed->payload, completed->keys, cids};
  }
  return {};
}

bool Exchange::on_cookie(Time now, Bytes reply, const PathAddress& from) noexcept {
  if (!attempt_ || attempt_->cookie_used) return false;
  const auto cookie = open_cookie_reply(reply, attempt_->handshake.mac1(), remote_.guard());
  if (!cookie) return false;
  attempt_->cookie_used = true;
  HeldCookie* place = nullptr;
  for (HeldCookie& held : cookies_)
    if (held.address.socket == from.socket && held.address.remote == from.remote) place = &held;
  if (place == nullptr && cookies_.full()) {
    place = std::min_element(
        cookies_.begin(), cookies_.end(),
        [](const HeldCookie& a, const HeldCookie& b) { return a.received < b.received; });
  }
  if (place != nullptr)
    *place = {from, *cookie, now};
  else
    (void)cookies_.push({from, *cookie, now});  // not full: see above
  attempt_began_ = Time{};                      // the next message is a new one, with echo and mac2
  target_ = 0;
  next_ = now + kHandshakeGapMin;
  return true;
}

}  // namespace wanbond
