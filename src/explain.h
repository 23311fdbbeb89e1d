// The question and the answer of `wanbond explain`: a flow in the words of [Rule] Match, and where
// it would go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/inner.h"
#include "base/result.h"
#include "core/status.h"

namespace wanbond {

/// A packet that nobody has sent.
struct FlowQuestion {
  InnerPacket inner;
  std::uint32_t bytes = 0;
};

/// "src=10.1.0.10 dst=10.2.0.20 proto=udp dport=5060 dscp=ef size=200": one value each; src and
/// dst are needed. Protocol tcp, ports 0, DSCP 0 and 1000 bytes where nothing is said.
Result<FlowQuestion> parse_question(const std::string& text);

/// Lines for people; none: the destination is no peer's.
std::string explanation_text(const std::optional<FlowExplanation>& explanation);

}  // namespace wanbond
