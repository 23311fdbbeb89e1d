// What is wanted of paths by hand: make before break, told to the peer before anything is lost.
#include <algorithm>
#include <array>
#include <utility>

#include "core/control.h"
#include "core/order.h"
#include "core/path.h"
#include "proto/limits.h"

namespace wanbond {
namespace {

constexpr std::array<std::pair<PathOrder, std::string_view>, 4> kWords{
    {{PathOrder::Up, "up"},
     {PathOrder::Backup, "backup"},
     {PathOrder::Drain, "drain"},
     {PathOrder::Down, "down"}}};

}  // namespace

std::string_view to_string(PathOrder order) noexcept {
  return kWords[static_cast<std::size_t>(order)].second;
}

std::optional<PathOrder> parse_path_order(std::string_view word) noexcept {
  const auto found = std::find_if(kWords.begin(), kWords.end(),
                                  [&](const auto& entry) { return entry.second == word; });
  return found == kWords.end() ? std::nullopt : std::optional(found->first);
}

void Path::set_order(Time now, PathOrder order) noexcept {
  const PathOrder before = std::exchange(order_, order);
  if (before == order || is_closed_) return;
  if (order == PathOrder::Down) {
    if (state_ != PathState::Candidate) go_down(now, Cause::AdminDown);
    on_bfd_change(now, bfd_.set_admin_down(now));
    candidate_.reset();
    responses_.clear();
  } else if (before == PathOrder::Down) {
    responses_.clear();
    on_bfd_change(now, bfd_.clear_admin_down(now));
    if (state_ == PathState::Down) validation_.recover(now, pace());
  }
}

std::uint8_t Path::priority() const noexcept {
  return static_cast<std::uint8_t>(order_ == PathOrder::Backup ? kBackupPriority
                                                               : wan_.priority - 1);
}

/// RFC 5880 6.8.16: the peer goes on being told that this is no failure.
std::optional<ControlPlan> Path::plan_admin_down(Time now) noexcept {
  if (order_ != PathOrder::Down || is_closed_ || is_wan_lost_ || is_address_lost_ ||
      state_ == PathState::Candidate)
    return {};
  const auto control = bfd_.poll_transmit(now);
  if (!control) return {};
  ControlPlan plan{.to = address_};
  (void)plan.frames.push(BfdFrame::make(*control));  // the first of eight
  return plan;
}

void Control::tell_order(Time now, const Path& path) noexcept {
  switch (path.order()) {
    case PathOrder::Up:
    case PathOrder::Backup:
      return announce(now, path.id(), WirePathState::Up, PathReason::None);
    case PathOrder::Drain:
      return announce(now, path.id(), WirePathState::Drained, PathReason::Admin);
    case PathOrder::Down:
      return announce(now, path.id(), WirePathState::Down, PathReason::Admin);
  }
}

void Control::set_order(Time now, Path& path, PathOrder order) noexcept {
  if (path.order() == order) return;
  path.set_order(now, order);
  tell_order(now, path);
  if (has_keys_) path.start(now);
}

void Control::order_wan(Time now, SocketId wan, PathOrder order) noexcept {
  wan_orders_[wan.value] = order;
  for (const auto& path : paths_)
    if (path->address().socket == wan) set_order(now, *path, order);
}

std::size_t Control::order_path(Time now, std::string_view name, PathOrder order) noexcept {
  std::size_t count = 0;
  for (const auto& path : paths_) {
    if (path->is_closed() || path_name(*path) != name) continue;
    set_order(now, *path, order);
    ++count;
  }
  return count;
}

}  // namespace wanbond
