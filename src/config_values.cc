#include "config_values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <span>

#include "suggest.h"

namespace wanbond {
namespace {

constexpr std::size_t kHostCharsMax = 253;    // RFC 1035 2.3.4
constexpr std::size_t kDeviceCharsMax = 15;   // IFNAMSIZ
constexpr std::size_t kSocketCharsMax = 107;  // sun_path
constexpr Duration kDayMax = 24h;

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::array<Unit, 5> kTimeUnits{{{"us", 1'000},
                                          {"ms", 1'000'000},
                                          {"s", 1'000'000'000},
                                          {"min", 60'000'000'000},
                                          {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 4> kRateUnits{
    {{"bit", 1}, {"kbit", 1'000}, {"Mbit", 1'000'000}, {"Gbit", 1'000'000'000}}};
constexpr std::array<Unit, 8> kSizeUnits{{{"", 1},
                                          {"B", 1},
                                          {"kB", 1'000},
                                          {"MB", 1'000'000},
                                          {"GB", 1'000'000'000},
                                          {"KiB", 1u << 10},
                                          {"MiB", 1u << 20},
                                          {"GiB", 1u << 30}}};

Error not_a(const std::string& text, std::string_view what) {
  return Error{"'" + text + "' is not " + std::string(what)};
}

std::optional<std::uint64_t> parse_number(std::string_view text, int base = 10) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (text.empty() || error != std::errc{} || stop != end) return {};
  return value;
}

Result<std::uint64_t> parse_in_range(const std::string& text, std::uint64_t min,
                                     std::uint64_t max) {
  const auto value = parse_number(text);
  if (!value || *value < min || *value > max)
    return not_a(text, "a number from " + std::to_string(min) + " to " + std::to_string(max));
  return *value;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// "50ms" times its unit's factor; none when unit or number is wrong or the product overflows.
std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto value = parse_number(text.substr(0, digits));
  const std::string_view name = trim(text.substr(digits));
  const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& candidate) {
    return equal_ignoring_case(candidate.name, name);
  });
  if (!value || unit == units.end() || *value > UINT64_MAX / unit->factor) return {};
  return *value * unit->factor;
}

template <class T>
struct Choice {
  std::string word;
  T value;
};

template <class T>
Result<T> parse_choice(const std::string& text, const std::vector<Choice<T>>& choices) {
  std::vector<std::string> words;
  for (const Choice<T>& choice : choices) {
    if (choice.word == text) return choice.value;
    words.push_back(choice.word);
  }
  return not_a(text, join_choices(words) + suggest(text, words));
}

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > kHostCharsMax || text.front() == '-' || text.front() == '.')
    return false;
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '-' || c == '.' || c == '_';
  });
  // All digits and dots would be an address, and it was none.
  return plain && text.find_first_not_of("0123456789.") != std::string_view::npos;
}

std::optional<ValueRange> parse_range(const std::string& text) {
  constexpr std::uint64_t kMax = 65535;  // of ports and packet sizes
  const std::size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == std::string::npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *first > *last || *last > kMax) return {};
  return ValueRange{static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*last)};
}

struct NamedByte {
  std::string_view name;
  std::uint8_t value;
};

std::optional<std::uint8_t> parse_byte(const std::string& text, std::span<const NamedByte> names,
                                       std::uint64_t max) {
  for (const NamedByte& entry : names)
    if (entry.name == text) return entry.value;
  const auto number = parse_in_range(text, 0, max);
  return number ? std::optional(static_cast<std::uint8_t>(*number)) : std::nullopt;
}

std::optional<std::uint8_t> parse_protocol(const std::string& text) {
  static constexpr std::array<NamedByte, 7> kNames{{{"icmp", 1},
                                                    {"tcp", 6},
                                                    {"udp", 17},
                                                    {"gre", 47},
                                                    {"esp", 50},
                                                    {"icmpv6", 58},
                                                    {"sctp", 132}}};
  return parse_byte(text, kNames, 255);
}

/// RFC 2474, 2597, 3246, 5865, 8622.
std::optional<std::uint8_t> parse_dscp(const std::string& text) {
  static constexpr std::array<NamedByte, 23> kNames{
      {{"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},  {"cs4", 32},  {"cs5", 40},
       {"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18},
       {"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30}, {"af41", 34},
       {"af42", 36}, {"af43", 38}, {"ef", 46},   {"le", 1},    {"va", 44}}};
  return parse_byte(text, kNames, 63);
}

/// Appends one element of a part of Match; false: it is not one.
template <class T>
bool add(std::vector<T>& list, const std::optional<T>& value) {
  if (value) list.push_back(*value);
  return value.has_value();
}

/// Adds one value to a part of Match. Empty if it is right; else what it should be.
std::string match_fault(const std::string& key, const std::string& value, RuleMatch& match) {
  if (key == "proto")
    return add(match.protocols, parse_protocol(value)) ? "" : "a protocol such as tcp, udp or 47";
  if (key == "sport" || key == "dport") {
    auto& ports = key == "sport" ? match.source_ports : match.destination_ports;
    return add(ports, parse_range(value)) ? "" : "a port or a range of ports such as 5060-5070";
  }
  if (key == "dscp")
    return add(match.dscps, parse_dscp(value)) ? "" : "a DSCP name such as ef or af41, or 0 to 63";
  if (key == "size")
    return add(match.sizes, parse_range(value)) ? ""
                                                : "a range of packet sizes in bytes such as 0-400";
  auto& prefixes = key == "src" ? match.sources : match.destinations;
  return add(prefixes, Prefix::parse(value)) ? "" : "a prefix such as 10.1.0.0/16";
}

}  // namespace

Result<std::string> parse_text(const std::string& text) { return text; }

Result<bool> parse_yes_no(const std::string& text) {
  return parse_choice<bool>(text, {{"yes", true}, {"no", false}});
}

Result<Duration> parse_duration(const std::string& text) {
  const auto ns = parse_with_unit(text, kTimeUnits);
  if (!ns || *ns > static_cast<std::uint64_t>(kDayMax.count()))
    return not_a(text, "a time with a unit such as 50ms or 2s");
  return Duration(static_cast<Duration::rep>(*ns));
}

Result<BitRate> parse_rate(const std::string& text) {
  const auto rate = text == "0" ? 0 : parse_with_unit(text, kRateUnits);
  if (!rate) return not_a(text, "a rate with a unit such as 100Mbit or 1Gbit");
  return BitRate{*rate};
}

Result<std::uint64_t> parse_size(const std::string& text) {
  const auto size = parse_with_unit(text, kSizeUnits);
  if (!size) return not_a(text, "a size such as 1500, 48MB or 64MiB");
  return *size;
}

Result<std::uint64_t> parse_memory(const std::string& text) {
  const auto size = parse_size(text);
  if (size && (*size < 8'000'000 || *size > 64'000'000'000))
    return not_a(text, "between 8MB and 64GB");
  return size;
}

Result<std::uint16_t> parse_port(const std::string& text) {
  const auto port = parse_in_range(text, 0, 65535);
  if (!port) return not_a(text, "a UDP port (0 to 65535)");
  return static_cast<std::uint16_t>(*port);
}

Result<unsigned> parse_priority(const std::string& text) {
  const auto value = parse_in_range(text, 1, 255);
  if (!value) return value.error();
  return static_cast<unsigned>(*value);
}

Result<std::uint32_t> parse_metric(const std::string& text) {
  const auto value = parse_in_range(text, 0, 65535);
  if (!value) return value.error();
  return static_cast<std::uint32_t>(*value);
}

Result<std::uint32_t> parse_mark(const std::string& text) {
  const bool hex = text.starts_with("0x");
  const auto value = parse_number(std::string_view(text).substr(hex ? 2 : 0), hex ? 16 : 10);
  if (!value || *value > UINT32_MAX) return not_a(text, "a mark such as 0x776 (32 bits, 0: none)");
  return static_cast<std::uint32_t>(*value);
}

Result<std::optional<std::uint32_t>> parse_mtu(const std::string& text) {
  if (text == "auto") return std::optional<std::uint32_t>();
  const auto value = parse_in_range(text, 576, 65535);
  if (!value) return not_a(text, "auto or a number of bytes from 576 to 65535");
  return std::optional(static_cast<std::uint32_t>(*value));
}

Result<TableChoice> parse_table(const std::string& text) {
  if (text == "auto") return TableChoice{TableChoice::Kind::Auto, 0};
  if (text == "off") return TableChoice{TableChoice::Kind::Off, 0};
  const auto number = parse_in_range(text, 1, UINT32_MAX);
  if (!number) return not_a(text, "auto, off or the number of a routing table");
  return TableChoice{TableChoice::Kind::Number, static_cast<std::uint32_t>(*number)};
}

Result<LogLevel> parse_log_level(const std::string& text) {
  return parse_choice<LogLevel>(text, {{"error", LogLevel::Error},
                                       {"warning", LogLevel::Warning},
                                       {"info", LogLevel::Info},
                                       {"debug", LogLevel::Debug}});
}

Result<CipherPolicy> parse_cipher(const std::string& text) {
  return parse_choice<CipherPolicy>(
      text,
      {{"auto", CipherPolicy::Auto}, {"aes", CipherPolicy::Aes}, {"chacha", CipherPolicy::ChaCha}});
}

Result<Heartbeat> parse_heartbeat(const std::string& text) {
  Heartbeat heartbeat;
  const std::size_t times = text.find('x');
  const auto interval = parse_duration(std::string(trim(text.substr(0, times))));
  if (!interval || *interval < 10ms || *interval > 10s)
    return not_a(text, "an interval of 10ms to 10s and a multiplier such as 20ms x4");
  heartbeat.interval = *interval;
  if (times == std::string::npos) return heartbeat;
  const auto mult = parse_in_range(std::string(trim(text.substr(times + 1))), 2, 25);
  if (!mult) return not_a(text, "an interval and a multiplier from 2 to 25 such as 20ms x4");
  heartbeat.detect_mult = static_cast<unsigned>(*mult);
  return heartbeat;
}

Result<std::string> parse_device(const std::string& text) {
  if (text.size() > kDeviceCharsMax || text == "." || text == ".." ||
      text.find_first_of("/: \t%") != std::string::npos)
    return not_a(text, "the name of a network device (1 to 15 characters)");
  return text;
}

Result<std::string> parse_device_pattern(const std::string& text) {
  return parse_device(text);  // *, ? and brackets may be in a device's name, too
}

Result<std::string> parse_socket_path(const std::string& text) {
  if (text.front() != '/' || text.size() > kSocketCharsMax)
    return not_a(text, "an absolute path of at most 107 characters");
  return text;
}

Result<std::string> parse_user(const std::string& text) {
  if (text.size() > 32 || text.find_first_of(" \t:/") != std::string::npos)
    return not_a(text, "the name of a user");
  return text;
}

Result<IpAddress> parse_address(const std::string& text) {
  const auto address = IpAddress::parse(text);
  if (!address) return not_a(text, "an IPv4 or IPv6 address");
  return *address;
}

Result<InterfaceAddress> parse_interface_address(const std::string& text) {
  const auto prefix = Prefix::parse(text);
  const auto address = IpAddress::parse(std::string_view(text).substr(0, text.find('/')));
  if (!prefix || !address) return not_a(text, "an address with its prefix such as 10.77.0.2/24");
  return InterfaceAddress{*address, prefix->length()};
}

Result<Prefix> parse_prefix(const std::string& text) {
  const auto prefix = Prefix::parse(text);
  if (!prefix) return not_a(text, "a prefix such as 10.0.0.0/16 or fd00::/8");
  return *prefix;
}

Result<Endpoint> parse_listen_endpoint(const std::string& text) {
  const auto endpoint = Endpoint::parse(text);
  if (!endpoint) return not_a(text, "an address and a port such as 127.0.0.1:9477");
  return *endpoint;
}

Result<EndpointText> parse_endpoint(const std::string& text) {
  constexpr std::string_view kWanted = "an address or host name and a port such as ";
  if (const auto endpoint = Endpoint::parse(text))
    return EndpointText{endpoint->address.to_string(), endpoint->port, endpoint->address};
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || IpAddress::parse(text))
    return not_a(
        text, std::string(kWanted) +
                  (text.find(':') == std::string::npos ? text + ":51900" : "[" + text + "]:51900"));
  const std::string host = text.substr(0, colon);
  const auto port = parse_in_range(text.substr(colon + 1), 1, 65535);
  if (!port || !is_host_name(host))
    return not_a(text, std::string(kWanted) + "hq.example.net:51900");
  return EndpointText{host, static_cast<std::uint16_t>(*port), {}};
}

Result<PathText> parse_path(const std::string& text) {
  const std::size_t arrow = text.find('>');
  if (arrow == std::string::npos || arrow == 0)
    return not_a(text, "a WAN and an endpoint such as fiber>198.51.100.10:51900 or lte>any");
  PathText path{std::string(trim(text.substr(0, arrow))), {}};
  const std::string rest(trim(text.substr(arrow + 1)));
  if (rest == "any") return path;
  auto endpoint = parse_endpoint(rest);
  if (!endpoint) return endpoint.error();
  path.endpoint = std::move(*endpoint);
  return path;
}

Result<KeyText> parse_key(const std::string& text) {
  if (text.front() != '/' && !parse_key_text(text))
    return Error{"neither a key (44 characters of base64) nor the absolute path of a file"};
  return KeyText{text, {}};
}

Result<PublicKey> parse_public_key(const std::string& text) {
  const auto key = PublicKey::parse(text);
  if (!key) return not_a(text, "a public key (44 characters of base64, from wanbond pubkey)");
  // Any scalar shows it: for a point of low order all products are zero (RFC 7748 section 6.1).
  if (!shared_secret(SecretKey(), *key))
    return Error{"'" + text + "' is the key of nobody (a point of low order); ask the peer again"};
  return *key;
}

Result<ModeText> parse_mode(const std::string& text) {
  const std::size_t open = text.find('(');
  const std::string word = text.substr(0, open);
  const auto mode = parse_choice<RuleMode>(word, {{"aggregate", RuleMode::Aggregate},
                                                  {"smooth", RuleMode::Smooth},
                                                  {"pinned", RuleMode::Pinned},
                                                  {"lowest-delay", RuleMode::LowestDelay},
                                                  {"handoff", RuleMode::Handoff},
                                                  {"duplicate", RuleMode::Duplicate},
                                                  {"hash", RuleMode::Hash},
                                                  {"overflow", RuleMode::Overflow},
                                                  {"bypass", RuleMode::Bypass},
                                                  {"drop", RuleMode::Drop}});
  if (!mode) return mode.error();
  ModeText result{.mode = *mode};
  if (open == std::string::npos) return result;
  const auto copies =
      parse_in_range(text.substr(open + 1, text.size() - open - 2), 2, kRuleCopiesMax);
  if (*mode != RuleMode::Duplicate || text.back() != ')' || !copies)
    return not_a(text, "a mode; only duplicate takes a number, 2 to 4, as in duplicate(3)");
  result.copies = static_cast<unsigned>(*copies);
  return result;
}

Result<RuleRepair> parse_repair(const std::string& text) {
  return parse_choice<RuleRepair>(text, {{"yes", RuleRepair::Yes}, {"no", RuleRepair::No}});
}

Result<RuleMatch> parse_match(const std::string& text) {
  static const std::vector<std::string> kParts{"proto", "sport", "dport", "dscp",
                                               "src",   "dst",   "size"};
  RuleMatch match;
  std::vector<std::string> seen;
  std::string_view rest = text;
  while (!(rest = trim(rest)).empty()) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    const std::string part(rest.substr(0, end));
    rest.remove_prefix(end);
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    if (equals == std::string::npos || std::find(kParts.begin(), kParts.end(), key) == kParts.end())
      return not_a(part, join_choices(kParts) + " with =" + suggest(key, kParts));
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      return Error{key + "= is there twice; give one list: " + key + "=A,B"};
    seen.push_back(key);
    for (const std::string& value : split_list(part.substr(equals + 1))) {
      const std::string wanted = match_fault(key, value, match);
      if (!wanted.empty()) return Error{key + "='" + value + "' is not " + wanted};
    }
  }
  return match;
}

std::string name_fault(const std::string& name, std::size_t length_max) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) || c == '.' || c == '_' || c == '-';
  });
  if (plain && !name.empty() && name.size() <= length_max) return "";
  return "'" + name + "' cannot be a name: 1 to " + std::to_string(length_max) +
         " letters, digits, '.', '_' or '-'";
}

std::string EndpointText::to_string() const {
  return address ? Endpoint{*address, port}.to_string() : host + ":" + std::to_string(port);
}

}  // namespace wanbond
