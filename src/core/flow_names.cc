#include "core/flow_names.h"

#include <algorithm>

namespace wanbond {
namespace {

// A sender's fragments come together; their 16-bit identification may come again soon.
constexpr Duration kRememberedFor = 2s;

/// Named as a flow, so that one digest serves for both: what all fragments of a packet have in
/// common (RFC 791 3.2: also the protocol; RFC 8200 4.5: not that).
InnerPacket fragments_of(const InnerPacket& inner) noexcept {
  InnerPacket all;
  all.source = inner.source;
  all.destination = inner.destination;
  all.version = inner.version;
  all.protocol = inner.version == 4 ? inner.protocol : std::uint8_t{0};
  all.source_port = static_cast<std::uint16_t>(inner.fragment_id >> 16);
  all.destination_port = static_cast<std::uint16_t>(inner.fragment_id);
  return all;
}

InnerPacket source_of(const InnerPacket& inner) noexcept {
  InnerPacket source;
  source.source = inner.source;
  return source;
}

}  // namespace

std::optional<NamedPacket> FlowNames::find_first(Time now, const InnerPacket& inner) noexcept {
  auto& set = firsts_[digest_(source_of(inner)) % kSets];
  const std::uint64_t key = digest_(fragments_of(inner));
  auto* found =
      std::find_if(set.begin(), set.end(), [&](const First& first) { return first.key == key; });
  if (inner.fragment == InnerPacket::Fragment::First) {
    if (!inner.has_l4()) return {};
    if (found == set.end())
      found = std::min_element(set.begin(), set.end(),
                               [](const First& a, const First& b) { return a.seen < b.seen; });
    *found = {key, now, inner.source_port, inner.destination_port, inner.protocol};
    return {};
  }
  if (found == set.end() || now - found->seen > kRememberedFor) return {};
  NamedPacket named{.view = inner, .part = NamedPacket::Part::Fragment};
  named.view.protocol = found->protocol;
  named.view.source_port = found->source_port;
  named.view.destination_port = found->destination_port;
  return named;
}

std::optional<NamedPacket> FlowNames::find_cause(Bytes packet, const InnerPacket& inner) noexcept {
  const auto flow = icmp_error_flow(packet, inner);
  if (!flow) return {};
  return NamedPacket{.view = *flow, .part = NamedPacket::Part::Error};
}

}  // namespace wanbond
