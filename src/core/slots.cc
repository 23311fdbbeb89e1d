#include "core/slots.h"

#include "base/check.h"

namespace wanbond {
namespace {

constexpr unsigned kPathBits = 6;
// With the table an eighth full (far more than 4096 peers need) a failure of all draws has a
// chance of 2^-192.
constexpr unsigned kDrawsMax = 64;

}  // namespace

std::optional<std::uint32_t> SlotTable::allocate(Owner owner, Random& random) noexcept {
  for (unsigned draw = 0; draw < kDrawsMax; ++draw) {
    const auto index = static_cast<std::uint32_t>(random.below(kSlotCount));
    if (index == 0 || slots_[index].peer_plus_one != 0) continue;
    slots_[index] = {static_cast<std::uint16_t>(owner.peer.value + 1), owner.epoch};
    return index << kPathBits;
  }
  return {};
}

void SlotTable::assign(std::uint32_t cid_base, Owner owner) noexcept {
  Slot& slot = slots_[(cid_base >> kPathBits) % kSlotCount];
  check(slot.peer_plus_one != 0);
  slot = {static_cast<std::uint16_t>(owner.peer.value + 1), owner.epoch};
}

void SlotTable::release(std::uint32_t cid_base) noexcept {
  Slot& slot = slots_[(cid_base >> kPathBits) % kSlotCount];
  check(slot.peer_plus_one != 0);
  slot = {};
}

std::optional<SlotTable::Owner> SlotTable::find(std::uint32_t cid) const noexcept {
  const Slot& slot = slots_[(cid >> kPathBits) % kSlotCount];
  if (slot.peer_plus_one == 0) return {};
  return Owner{PeerId{static_cast<std::uint16_t>(slot.peer_plus_one - 1)}, slot.epoch};
}

}  // namespace wanbond
