#include "explain.h"

#include "config_values.h"
#include "instance_status.h"

namespace wanbond {
namespace {

constexpr std::uint32_t kUsualBytes = 1000;

bool is_single(const std::vector<ValueRange>& ranges) {
  return ranges.empty() || (ranges.size() == 1 && ranges[0].first == ranges[0].last);
}

std::uint16_t port_of(const std::vector<ValueRange>& ranges) {
  return ranges.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(ranges[0].first);
}

bool is_address(const std::vector<Prefix>& prefixes) {
  return prefixes.size() == 1 && prefixes[0].length() == prefixes[0].address().bit_count();
}

}  // namespace

Result<FlowQuestion> parse_question(const std::string& text) {
  const auto match = parse_match(text);
  if (!match) return match.error();
  if (!is_address(match->sources) || !is_address(match->destinations))
    return Error{"source and destination must be one address each"};
  if (match->sources[0].is_v4() != match->destinations[0].is_v4())
    return Error{"source and destination are of different families"};
  if (match->protocols.size() > 1 || match->dscps.size() > 1 || !is_single(match->source_ports) ||
      !is_single(match->destination_ports) || !is_single(match->sizes))
    return Error{"one value of each, no lists and no ranges"};
  FlowQuestion question;
  InnerPacket& inner = question.inner;
  inner.source = match->sources[0].address();
  inner.destination = match->destinations[0].address();
  inner.version = inner.source.is_v4() ? 4 : 6;
  inner.protocol = match->protocols.empty() ? kProtocolTcp : match->protocols[0];
  inner.traffic_class = static_cast<std::uint8_t>(match->dscps.empty() ? 0 : match->dscps[0] << 2);
  if (inner.protocol == kProtocolTcp) inner.l4_header_bytes = kTcpHeaderBytes;
  if (inner.protocol == kProtocolUdp) inner.l4_header_bytes = kUdpHeaderBytes;
  if (inner.has_l4()) {
    inner.source_port = port_of(match->source_ports);
    inner.destination_port = port_of(match->destination_ports);
  }
  question.bytes = match->sizes.empty() ? kUsualBytes : match->sizes[0].first;
  inner.total_bytes = question.bytes;
  return question;
}

std::string explanation_text(const std::optional<FlowExplanation>& explanation) {
  if (!explanation) return "no peer has the destination in its AllowedIPs, or none that is up\n";
  std::string text = "peer " + explanation->peer + "\n";
  switch (explanation->cause) {
    case FlowExplanation::Cause::Rule:
      text += "rule " + explanation->rule + ": " + std::string(to_string(explanation->mode)) + "\n";
      if (explanation->mode == RuleMode::Bypass)
        text += "leaves by a WAN, not through the tunnel; while none of its WANs works:\n";
      break;
    case FlowExplanation::Cause::Lan:
      text += "no rule; its subnet has a WAN ([Lan])\n";
      break;
    case FlowExplanation::Cause::Default:
      text += "no rule; an MPTCP subflow takes a WAN of its own, all else what follows\n";
      break;
  }
  const bool is_dropped =
      explanation->cause == FlowExplanation::Cause::Rule && explanation->mode == RuleMode::Drop;
  if (explanation->paths.empty() && !is_dropped) text += "no usable path\n";
  for (std::size_t i = 0; i < explanation->paths.size(); ++i)
    text += (i == 0 ? "path " : "copy ") + explanation->paths[i] + "\n";
  for (const auto& [path, use] : explanation->unused)
    text += "not " + path + ": " + use_text(use) + "\n";
  return text;
}

}  // namespace wanbond
