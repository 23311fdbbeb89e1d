#include "core/path_use.h"

#include <array>
#include <cstddef>

#include "core/path.h"

namespace wanbond {
namespace {

using Why = PathUse::Why;

/// What keeps it from being as good as any.
Why why_unusable(const Path& path, const PathView& view) noexcept {
  switch (path.state()) {
    case PathState::Candidate:
    case PathState::Validating:
      return Why::Unproven;
    case PathState::Down:
      return Why::Down;
    case PathState::Suspect:
      return Why::Suspect;
    case PathState::Up:
      break;
  }
  if (view.usability == Usability::Never) return Why::TooSmall;
  if (view.usability == Usability::Held) return Why::HeldBack;
  return path.order() == PathOrder::Drain ? Why::Drained : Why::Suspect;
}

}  // namespace

PathUse path_use(const Path& path, const UseContext& context) noexcept {
  using State = BondStatus::State;
  const State bond = context.bond.state;
  if (bond == State::In || bond == State::Competing) return {};
  const PathView view = path.view(context.now, FlowCare::Repaired);
  if (view.usability != Usability::Usable && !context.selected) {
    const Why why = why_unusable(path, view);
    const Duration held = path.next_view_change(context.now) - context.now;
    return {why, why == Why::HeldBack ? held : Duration{}};
  }
  if (bond == State::Suspended) return {Why::Suspended};
  if (context.selected) return {};
  if (view.rank > context.best.rank) return {context.metered ? Why::Metered : Why::Backup};
  return {bond == State::Out ? Why::Surplus : Why::Slower};
}

std::string_view to_string(PathUse::Why why) noexcept {
  constexpr std::array<std::string_view, 12> kWords{
      "used",      "unproven", "down",   "too_small", "suspect", "drained",
      "held_back", "metered",  "backup", "suspended", "slower",  "surplus"};
  return kWords[static_cast<std::size_t>(why)];
}

}  // namespace wanbond
