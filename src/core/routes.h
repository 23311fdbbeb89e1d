// RouteTable: which peer an inner address belongs to (cryptokey routing, as WireGuard's
// AllowedIPs). Built once from the settings; station 2 of the way of a packet, and its mirror on
// the way in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "core/settings.h"

namespace wanbond {

/// Longest prefix first; of several peers that hold the same prefix the lowest metric that is up,
/// and the lowest metric of all when none is.
class RouteTable {
  struct Entry;

 public:
  /// The address that was looked up last, and what has it: packets that follow one another mostly
  /// share it. The caller's, one for each direction; the table never changes what it says.
  class Memo {
    friend class RouteTable;
    IpAddress address_;
    const Entry* entry_ = nullptr;
    bool is_filled_ = false;
  };

  explicit RouteTable(const std::vector<PeerSettings>& peers);

  /// The peer that packets to `destination` go to; none when no prefix has it.
  std::optional<PeerId> find(const IpAddress& destination, Memo& memo) const noexcept;
  /// True when the longest prefix that has `source` is one of `peer`'s: only then may a packet
  /// with this source come from it.
  bool allows(PeerId peer, const IpAddress& source, Memo& memo) const noexcept;
  /// Peers count as down until told otherwise.
  void set_up(PeerId peer, bool up) noexcept;

 private:
  struct Holder {
    std::uint32_t metric = 0;
    PeerId peer;
  };
  struct Entry {
    Prefix prefix;
    std::vector<Holder> holders;  // by metric, then by peer
  };
  struct Length {  // all prefixes of one family and length, by address
    unsigned bits = 0;
    std::vector<Entry> entries;
  };
  const Entry* longest_match(const IpAddress& address, Memo& memo) const noexcept;
  const Entry* search(const IpAddress& address) const noexcept;
  void insert(const Prefix& prefix, Holder holder);

  std::vector<Length> v4_, v6_;  // longest first
  std::vector<std::uint8_t> up_;
};

}  // namespace wanbond
