// The words for link settings, in `wanbond-lab --link`, in its control commands and in scripts:
// "delay=40ms", "rate=20Mbit", "loss=1%".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "lab/link_settings.h"

namespace wanbond {

/// Changes one setting by "key=value". Keys: delay, jitter, distribution (normal, exponential),
/// order (kept, free), rate, overhead, queue_bytes, queue_packets, loss, burst (begin/end, as
/// "1%/25%": Gilbert), mtu, semantics (link, netem). The error names key, value and what fits.
Result<void> apply_setting(LinkSettings& settings, std::string_view key_value);

/// "40ms", "1.5s", "250us", "10ns"; 0 needs no unit. Not negative.
Result<Duration> parse_duration(std::string_view text);
/// "20Mbit", "1Gbit", "64kbit", "9600bit"; 0 is unlimited.
Result<BitRate> parse_rate(std::string_view text);
/// "1%", "0.5%", "20ppm"; in parts per million, 0 to 1000000.
Result<std::uint32_t> parse_ratio(std::string_view text);
/// "1500", "64KB" (1000), "64KiB" (1024), "1MB", "1MiB".
Result<std::uint64_t> parse_bytes(std::string_view text);

/// The settings as text that apply_setting() reads back, all keys.
std::string to_text(const LinkSettings& settings);

}  // namespace wanbond
