// Text of configuration values to values: times, rates, sizes, addresses, enumerations. Pure; each
// error is a phrase that names the text and what was expected.
#pragma once

#include <string>
#include <vector>

#include "config.h"

namespace wanbond {

/// "20ms x4": BFD interval and detect multiplier.
struct Heartbeat {
  Duration interval{};
  unsigned detect_mult = 4;
};

/// "duplicate(3)": a mode of [Rule].
struct ModeText {
  RuleMode mode{};
  unsigned copies = 2;
};

Result<std::string> parse_text(const std::string& text);
/// "yes" or "no".
Result<bool> parse_yes_no(const std::string& text);
/// A whole number with a unit: us, ms, s, min, h; at most a day.
Result<Duration> parse_duration(const std::string& text);
/// Bits per second: "0", "100Mbit", "1Gbit", "500kbit", "9600bit".
Result<BitRate> parse_rate(const std::string& text);
/// Bytes: "1500", "48MB" (powers of 1000), "64MiB" (of 1024).
Result<std::uint64_t> parse_size(const std::string& text);
/// parse_size within 8 MB to 64 GB.
Result<std::uint64_t> parse_memory(const std::string& text);
/// 0 to 65535.
Result<std::uint16_t> parse_port(const std::string& text);
/// 1 to 255.
Result<unsigned> parse_priority(const std::string& text);
/// 0 to 65535.
Result<std::uint32_t> parse_metric(const std::string& text);
/// Decimal or 0x hexadecimal, 32 bits.
Result<std::uint32_t> parse_mark(const std::string& text);
/// "auto" (none) or 1280 to 65535; 576 is enough where no IPv6 is wanted, but Linux then drops it.
Result<std::optional<std::uint32_t>> parse_mtu(const std::string& text);
Result<TableChoice> parse_table(const std::string& text);
Result<LogLevel> parse_log_level(const std::string& text);
Result<CipherPolicy> parse_cipher(const std::string& text);
Result<Heartbeat> parse_heartbeat(const std::string& text);
/// The name of a network device: 1 to 15 characters, no '/', white space or ':'.
Result<std::string> parse_device(const std::string& text);
/// A device, or a pattern of fnmatch(3) for one: "ppp*".
Result<std::string> parse_device_pattern(const std::string& text);
/// A path that starts with '/', at most 107 bytes (sun_path).
Result<std::string> parse_socket_path(const std::string& text);
Result<std::string> parse_user(const std::string& text);
Result<IpAddress> parse_address(const std::string& text);
/// "10.77.0.2/24"; without a length /32 or /128.
Result<InterfaceAddress> parse_interface_address(const std::string& text);
Result<Prefix> parse_prefix(const std::string& text);
/// "127.0.0.1:9477": an address, no name.
Result<Endpoint> parse_listen_endpoint(const std::string& text);
/// An address or host name with a port.
Result<EndpointText> parse_endpoint(const std::string& text);
Result<PathText> parse_path(const std::string& text);
/// Base64, or the absolute path of a file. `place` is left empty.
Result<KeyText> parse_key(const std::string& text);
Result<PublicKey> parse_public_key(const std::string& text);

/// "pinned", "duplicate", "duplicate(3)".
Result<ModeText> parse_mode(const std::string& text);
/// "proto=udp dport=5060,10000-20000 ..."; every part is checked.
Result<RuleMatch> parse_match(const std::string& text);
/// "yes" or "no", said aloud.
Result<RuleRepair> parse_repair(const std::string& text);

/// Empty if `name` can be the name of a section: 1 to `length_max` letters, digits, '.', '_', '-';
/// else what is wrong with it.
std::string name_fault(const std::string& name, std::size_t length_max);

}  // namespace wanbond
