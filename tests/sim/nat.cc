#include "tests/sim/nat.h"

#include <algorithm>
#include <utility>

namespace wanbond::sim {

Nat::Nat(World& world, const Settings& settings, Deliver outside, Deliver inside)
    : world_(world),
      settings_(settings),
      outside_(std::move(outside)),
      inside_(std::move(inside)) {}

void Nat::from_inside(Datagram&& datagram) {
  forget_old();
  auto found = std::find_if(by_port_.begin(), by_port_.end(), [&](const auto& entry) {
    return entry.second.inside == datagram.from;
  });
  if (found == by_port_.end())
    found = by_port_.emplace(next_port_++, Mapping{datagram.from, {}, {}}).first;
  found->second.used = world_.now();
  found->second.allowed.insert(datagram.to);
  datagram.from = {settings_.address, found->first};
  outside_(std::move(datagram));
}

void Nat::from_outside(Datagram&& datagram) {
  forget_old();
  const auto found = by_port_.find(datagram.to.port);
  if (found == by_port_.end() || !found->second.allowed.contains(datagram.from)) return;
  datagram.to = found->second.inside;
  inside_(std::move(datagram));
}

void Nat::rebind() { by_port_.clear(); }

void Nat::forget_old() {
  std::erase_if(by_port_, [&](const auto& entry) {
    return world_.now() - entry.second.used > settings_.memory;
  });
}

}  // namespace wanbond::sim
