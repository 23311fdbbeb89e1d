#include "core/lan_maps.h"

#include <algorithm>
#include <utility>

namespace wanbond {
namespace {

constexpr Duration kTellEvery = 5s;
// The peer's mapped paths are one WAN to a rule, all others another.
constexpr SocketId kMapped{0}, kOther{1};
const FlowRule kFarRule{.name = "", .match = {}, .mode = RuleMode::Pinned, .wans = {kMapped}};

std::uint64_t bit(PathId path) noexcept { return std::uint64_t{1} << path.value; }

bool is_within(std::span<const Prefix> allowed, const Prefix& subnet) noexcept {
  return std::any_of(allowed.begin(), allowed.end(), [&](const Prefix& prefix) {
    return prefix.length() <= subnet.length() && prefix.contains(subnet.address());
  });
}

}  // namespace

LanMaps::LanMaps(const std::vector<LanSettings>& lans) {
  for (const LanSettings& lan : lans)
    near_.push_back({.subnet = lan.subnet,
                     .rule = {.name = "", .match = {}, .mode = RuleMode::Pinned, .wans = {lan.wan}},
                     .paths = {}});
  std::sort(near_.begin(), near_.end(), [](const Near& a, const Near& b) {
    return std::pair(b.subnet.length(), a.subnet) < std::pair(a.subnet.length(), b.subnet);
  });
}

/// Of a packet between two mapped subnets the sender's side decides.
std::optional<PathId> LanMaps::place(const IpAddress& source,
                                     const IpAddress& destination) const noexcept {
  for (const Near& near : near_)
    if (near.subnet.contains(source)) return near.paths.choose(near.rule, 0, std::nullopt);
  for (const Far& far : far_)
    if (far.subnet.contains(destination)) return far.paths.choose(kFarRule, 0, std::nullopt);
  return {};
}

void LanMaps::add_to(Time now, PathId path, SocketId wan, ControlPlan& plan) noexcept {
  Told& told = told_[path.value];
  if (near_.empty() || now < told.next) return;
  for (; told.done < near_.size(); ++told.done) {
    const Near& near = near_[told.done];
    if (near.rule.wans[0] != wan) continue;
    if (!plan.frames.push(LanMapFrame{.prefix = near.subnet, .path = path})) return;
  }
  told = {.next = now + kTellEvery};
}

bool LanMaps::on_map(const LanMapFrame& map, std::span<const Prefix> allowed) {
  if (!is_within(allowed, map.prefix)) return false;
  auto found = std::find_if(far_.begin(), far_.end(),
                            [&](const Far& far) { return far.subnet == map.prefix; });
  if (found == far_.end()) {
    if (map.remove || far_.size() == kFarMax) return false;
    const auto place = std::find_if(far_.begin(), far_.end(), [&](const Far& far) {
      return far.subnet.length() < map.prefix.length();
    });
    found = far_.insert(place, {.subnet = map.prefix, .paths = {}});
  }
  const std::uint64_t before = found->paths_mask;
  found->paths_mask = map.remove ? before & ~bit(map.path) : before | bit(map.path);
  const bool is_changed = found->paths_mask != before;
  if (found->paths_mask == 0) far_.erase(found);
  return is_changed;
}

void LanMaps::update(Time now, std::span<const RulePath> paths) noexcept {
  for (Near& near : near_) near.paths.update(now, near.rule, paths);
  std::uint64_t present = 0;
  for (const RulePath& path : paths) present |= bit(path.view.id);
  for (Far& far : far_) {
    far.paths_mask &= present;  // another path may get the number of one that is gone
    FixedVector<RulePath, kPathCountMax> marked;
    for (RulePath path : paths) {
      path.wan = (far.paths_mask & bit(path.view.id)) != 0 ? kMapped : kOther;
      (void)marked.push(path);  // as many as paths
    }
    far.paths.update(now, kFarRule, std::span(marked.begin(), marked.size()));
  }
}

Time LanMaps::next_timeout() const noexcept {
  Time next = kNever;
  for (const Near& near : near_) next = std::min(next, near.paths.next_timeout());
  for (const Far& far : far_) next = std::min(next, far.paths.next_timeout());
  return next;
}

}  // namespace wanbond
