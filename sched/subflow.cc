#include "sched/subflow.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "base/check.h"

namespace wanbond {

bool SubflowGroups::may_replace(Time now, const Connection& connection) noexcept {
  if (!connection.is_open) return true;
  return now - connection.used >= (connection.is_young ? kYoungIdleMax : kIdleMax);
}

std::optional<ConnectionId> SubflowGroups::open(Time now, std::uint32_t token) noexcept {
  if (connections_.empty()) {
    connections_.resize(kConnectionsMax);
    by_caller_.resize(kConnectionsMax, kNone);
  }
  if (const auto known = find(token)) {
    touch(now, known->connection);
    return known->connection;
  }
  const std::size_t first = token % kSets * kWays;
  std::size_t best = kConnectionsMax;
  for (std::size_t i = first; i < first + kWays; ++i) {
    if (!may_replace(now, connections_[i])) continue;
    if (best == kConnectionsMax || connections_[i].used < connections_[best].used) best = i;
  }
  if (best == kConnectionsMax) return {};
  connections_[best] = Connection{};
  connections_[best].is_open = true;
  connections_[best].used = now;
  connections_[best].tokens[1] = token;
  return ConnectionId{static_cast<std::uint16_t>(best)};
}

std::optional<SubflowGroups::Found> SubflowGroups::find(std::uint32_t token) const noexcept {
  if (connections_.empty()) return {};
  const std::size_t first = token % kSets * kWays;
  for (std::size_t i = first; i < first + kWays; ++i) {
    if (connections_[i].is_open && connections_[i].tokens[1] == token)
      return Found{{static_cast<std::uint16_t>(i)}, 1};
    const std::uint16_t place = by_caller_[i];
    if (place != kNone && connections_[place].is_open && connections_[place].tokens[0] == token)
      return Found{{place}, 0};
  }
  return {};
}

void SubflowGroups::add_token(ConnectionId connection, std::uint32_t token) noexcept {
  if (at(connection).tokens[0] == token) return;
  at(connection).tokens[0] = token;
  const std::size_t first = token % kSets * kWays;
  const auto set = std::span(by_caller_).subspan(first, kWays);
  for (std::uint16_t& place : set) {
    const bool is_stale = place == kNone || !connections_[place].is_open ||
                          !connections_[place].tokens[0] ||
                          *connections_[place].tokens[0] % kSets != token % kSets;
    if (!is_stale && place != connection.value) continue;
    place = connection.value;
    return;
  }
  std::move(set.begin() + 1, set.end(), set.begin());
  set.back() = connection.value;
}

std::size_t SubflowGroups::count(ConnectionId connection, PathId path) const noexcept {
  const auto& members = at(connection).members;
  return static_cast<std::size_t>(std::count_if(
      members.begin(), members.end(), [&](const Member& member) { return member.path == path; }));
}

PathId SubflowGroups::choose(ConnectionId connection, std::span<const SubflowPath> paths,
                             SubflowRole role) const noexcept {
  check(!paths.empty());
  Duration reference{};
  if (!at(connection).members.empty()) {
    const PathId first = at(connection).members[0].path;
    for (const SubflowPath& path : paths)
      if (path.id == first) reference = path.delay;
  }
  const auto cost = [&](const SubflowPath& path) {
    const auto rank = static_cast<std::int64_t>(path.rank);
    const std::int64_t distance = std::chrono::abs(path.delay - reference).count();
    const bool is_backup = role == SubflowRole::Backup;
    return std::tuple(count(connection, path.id), is_backup ? -rank : rank,
                      is_backup ? -path.delay.count() : distance, path.id.value);
  };
  const auto best = std::min_element(
      paths.begin(), paths.end(),
      [&](const SubflowPath& a, const SubflowPath& b) { return cost(a) < cost(b); });
  return best->id;
}

bool SubflowGroups::place(Time now, ConnectionId connection, std::uint32_t flow,
                          PathId path) noexcept {
  touch(now, connection);
  at(connection).is_young = false;
  for (Member& member : at(connection).members) {
    if (member.flow != flow) continue;
    member.path = path;
    return true;
  }
  return at(connection).members.push({flow, path});
}

void SubflowGroups::remove(ConnectionId connection, std::uint32_t flow) noexcept {
  auto& members = at(connection).members;
  auto* const found = std::find_if(members.begin(), members.end(),
                                   [&](const Member& member) { return member.flow == flow; });
  if (found == members.end()) return;
  std::move(found + 1, members.end(), found);  // the first one stays the oldest
  (void)members.pop();
}

std::size_t SubflowGroups::connection_count(Time now) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(connections_.begin(), connections_.end(), [&](const Connection& connection) {
        return connection.is_open && !may_replace(now, connection);
      }));
}

}  // namespace wanbond
