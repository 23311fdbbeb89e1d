// SlotTable: from the connection id in a datagram to the peer and key epoch it belongs to, by one
// array access and nothing that depends on secret or on attacker's choice (protocol 1.1).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/random.h"

namespace wanbond {

/// Owns all connection ids of this node: 18 bits of slot, 6 bits of path.
class SlotTable {
 public:
  static constexpr std::uint32_t kSlotCount = 1u << 18;

  /// Whose keys a slot stands for; `epoch` is the keyring's own number of the epoch.
  struct Owner {
    PeerId peer;
    std::uint16_t epoch = 0;
  };

  SlotTable() : slots_(kSlotCount) {}

  /// A random free slot, as the cid base (path bits 0, never 0). None when nearly all are taken.
  std::optional<std::uint32_t> allocate(Owner owner, Random& random) noexcept;
  /// Gives an allocated slot to another epoch.
  void assign(std::uint32_t cid_base, Owner owner) noexcept;
  /// `cid_base` must be allocated.
  void release(std::uint32_t cid_base) noexcept;
  /// `cid` with any path bits.
  std::optional<Owner> find(std::uint32_t cid) const noexcept;

 private:
  struct Slot {
    std::uint16_t peer_plus_one = 0;  // 0: free
    std::uint16_t epoch = 0;
  };
  std::vector<Slot> slots_;
};

}  // namespace wanbond
