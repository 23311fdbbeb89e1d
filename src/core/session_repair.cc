// What a session does for packets that are lost: repairs, the way of what a failed path had under
// way, and how long the other end's losses are waited for.
#include <algorithm>

#include "core/session.h"

namespace wanbond {
namespace {

// A hole is held for a way there, a report, a way back and a repair; at least as long as a path
// takes to fail (T_gap of scheduling 5.8).
constexpr Duration kHoldMargin = 30ms;
constexpr Duration kHoldDetection = 80ms;
constexpr Duration kHoldMax = 500ms;
// How often paths with something under way are looked at.
constexpr Duration kWatch = 5ms;

}  // namespace

/// Where what was lost is sent again.
std::optional<SendPath> Session::repair_route(Time now) noexcept {
  Path* path = dispatcher_.repair_path(now);
  if (path == nullptr) return route(FlowCare::Repaired);
  return SendPath{*path, egress_.payload_bytes_max(*path)};
}

void Session::salvage(Time now, Path& path, Outbox& out) noexcept {
  if (path.sent_log().live_count() == 0) return;
  const auto to = repair_route(now);
  const bool is_other = to && &to->path != &path && to->path.state() == PathState::Up;
  if (path.state() != PathState::Up && is_other) salvage_.rescue(now, path);
  if (path.sent_log().next_timeout() <= now)
    salvage_.find_lost(now, path, to ? &*to : nullptr, out);
}

/// Only when nothing is unread: what waits in a socket may be the sign of life.
void Session::watch(Time now) noexcept {
  if (now < watch_at_) return;
  watch_at_ = now + kWatch;
  for (const auto& path : control_.paths()) {
    if (path->sent_log().live_count() == 0) continue;
    dispatcher_.doubt(now, *path);
    if (dispatcher_.is_doubted(*path) && dispatcher_.repair_path(now) != path.get())
      salvage_.copy(now, *path);
  }
}

Time Session::next_watch() const noexcept {
  if (!dispatcher_.is_divided()) return kNever;
  for (const auto& path : control_.paths())
    if (path->sent_log().live_count() > 0) return watch_at_;
  return kNever;
}

/// What failed paths had under way goes out again no faster than another one takes it: at once it
/// would flood that one's buffer.
void Session::send_rescued(Time now, Outbox& out) noexcept {
  rescue_at_ = kNever;
  while (salvage_.has_rescued()) {
    if (const Time at = dispatcher_.repair_at(now); at > now) {
      rescue_at_ = at;
      return;
    }
    const auto to = repair_route(now);
    if (!to) return;
    salvage_.send_rescued(now, *to, out);
    dispatcher_.note_others(now);
  }
}

/// How long the resequencer waits for a packet: until it has come by the slowest path, or was asked
/// for and sent again by the fastest (scheduling 5.8).
void Session::update_hold() noexcept {
  if (dispatcher_.is_active()) return resequencer_.set_hold(dispatcher_.hold_time());
  Duration fastest = Duration::max();
  Duration spread = Duration::zero();
  Duration jitter = Duration::zero();
  for (const auto& path : control_.paths()) {
    if (!path->is_usable() || !path->rtt().has_sample()) continue;
    fastest = std::min(fastest, path->rtt().srtt() / 2);
    spread = std::max(spread, control_.relative_delay(*path));
    jitter = std::max(jitter, path->received().jitter());
  }
  if (fastest == Duration::max()) return;
  const Duration repair = kHoldMargin + 2 * fastest;
  resequencer_.set_hold(std::min(
      std::max(spread + fastest + repair + 4 * jitter, kHoldDetection + repair), kHoldMax));
}

}  // namespace wanbond
