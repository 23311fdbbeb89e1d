#include "sched/rules.h"

#include <algorithm>
#include <array>

namespace wanbond {
namespace {

template <class T>
bool is_one_of(const std::vector<T>& list, const T& value) noexcept {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool is_in(const std::vector<ValueRange>& ranges, std::uint32_t value) noexcept {
  return ranges.empty() || std::any_of(ranges.begin(), ranges.end(), [&](const ValueRange& range) {
           return range.contains(value);
         });
}

bool is_within(const std::vector<Prefix>& prefixes, const IpAddress& address) noexcept {
  return prefixes.empty() ||
         std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const Prefix& prefix) { return prefix.contains(address); });
}

}  // namespace

std::string_view to_string(RuleMode mode) noexcept {
  constexpr std::array<std::string_view, kRuleModeCount> kNames{
      "aggregate", "smooth", "pinned",   "lowest-delay", "handoff",
      "duplicate", "hash",   "overflow", "bypass",       "drop"};
  return kNames[static_cast<std::size_t>(mode)];
}

bool RuleMatch::holds(const InnerPacket& inner, std::uint32_t bytes) const noexcept {
  if (!is_one_of(protocols, inner.protocol) || !is_one_of(dscps, inner.dscp())) return false;
  const bool asks_ports = !source_ports.empty() || !destination_ports.empty();
  if (asks_ports && !inner.has_ports()) return false;
  return is_in(source_ports, inner.source_port) &&
         is_in(destination_ports, inner.destination_port) && is_in(sizes, bytes) &&
         is_within(sources, inner.source) && is_within(destinations, inner.destination);
}

bool RuleMatch::is_empty() const noexcept {
  return protocols.empty() && source_ports.empty() && destination_ports.empty() && dscps.empty() &&
         sources.empty() && destinations.empty() && sizes.empty();
}

/// Whoever waits for datagrams would rather lose one than wait; TCP waits in any case.
bool FlowRule::repairs(bool is_tcp) const noexcept {
  if (repair != RuleRepair::ByMode) return repair == RuleRepair::Yes;
  return is_tcp || mode == RuleMode::Aggregate || mode == RuleMode::Smooth;
}

std::optional<RuleId> find_rule(const std::vector<FlowRule>& rules, const InnerPacket& inner,
                                std::uint32_t bytes) noexcept {
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (rules[i].match.holds(inner, bytes)) return RuleId{static_cast<std::uint8_t>(i)};
  return {};
}

}  // namespace wanbond
