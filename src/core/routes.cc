#include "core/routes.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace wanbond {

RouteTable::RouteTable(const std::vector<PeerSettings>& peers) : up_(peers.size(), 0) {
  for (std::size_t i = 0; i < peers.size(); ++i) {
    const PeerId peer{static_cast<std::uint16_t>(i)};
    for (const Prefix& prefix : peers[i].allowed_ips) insert(prefix, {peers[i].metric, peer});
  }
}

void RouteTable::insert(const Prefix& prefix, Holder holder) {
  std::vector<Length>& lengths = prefix.is_v4() ? v4_ : v6_;
  auto length = std::lower_bound(lengths.begin(), lengths.end(), prefix.length(),
                                 [](const Length& l, unsigned bits) { return l.bits > bits; });
  if (length == lengths.end() || length->bits != prefix.length())
    length = lengths.insert(length, Length{prefix.length(), {}});
  auto entry = std::lower_bound(length->entries.begin(), length->entries.end(), prefix,
                                [](const Entry& e, const Prefix& p) { return e.prefix < p; });
  if (entry == length->entries.end() || entry->prefix != prefix)
    entry = length->entries.insert(entry, Entry{prefix, {}});
  const auto before = [](const Holder& a, const Holder& b) {
    return std::tie(a.metric, a.peer) < std::tie(b.metric, b.peer);
  };
  entry->holders.insert(
      std::upper_bound(entry->holders.begin(), entry->holders.end(), holder, before), holder);
}

const RouteTable::Entry* RouteTable::longest_match(const IpAddress& address,
                                                   Memo& memo) const noexcept {
  if (memo.is_filled_ && memo.address_ == address) return memo.entry_;
  memo.address_ = address;
  memo.entry_ = search(address);
  memo.is_filled_ = true;
  return memo.entry_;
}

const RouteTable::Entry* RouteTable::search(const IpAddress& address) const noexcept {
  for (const Length& length : address.is_v4() ? v4_ : v6_) {
    // Prefixes of one length do not overlap: only the last that begins at or below it can have it.
    const auto above =
        std::upper_bound(length.entries.begin(), length.entries.end(), address,
                         [](const IpAddress& a, const Entry& e) { return a < e.prefix.address(); });
    if (above != length.entries.begin() && std::prev(above)->prefix.contains(address))
      return &*std::prev(above);
  }
  return nullptr;
}

std::optional<PeerId> RouteTable::find(const IpAddress& destination, Memo& memo) const noexcept {
  const Entry* entry = longest_match(destination, memo);
  if (entry == nullptr) return {};
  for (const Holder& holder : entry->holders)
    if (up_[holder.peer.value] != 0) return holder.peer;
  return entry->holders.front().peer;
}

bool RouteTable::allows(PeerId peer, const IpAddress& source, Memo& memo) const noexcept {
  const Entry* entry = longest_match(source, memo);
  return entry != nullptr && std::any_of(entry->holders.begin(), entry->holders.end(),
                                         [&](const Holder& h) { return h.peer == peer; });
}

void RouteTable::set_up(PeerId peer, bool up) noexcept { up_[peer.value] = up ? 1 : 0; }

}  // namespace wanbond
