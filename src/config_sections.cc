#include "config_sections.h"

#include <algorithm>
#include <boost/any.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>
#include <map>
#include <stdexcept>
#include <type_traits>

#include "config_values.h"
#include "suggest.h"

namespace wanbond {

namespace po = boost::program_options;

/// A value as program_options carries it, made by `kParse` from one text.
template <auto kParse>
struct Option {
  using Type = std::remove_cvref_t<decltype(*kParse(std::string()))>;
  Type value{};
};

/// The values of a list, one text each.
template <auto kParse>
struct OptionList {
  std::vector<typename Option<kParse>::Type> values;
};

/// Found by program_options through the namespace of its argument. Throws what is wrong as text.
template <auto kParse>
void validate(boost::any& store, const std::vector<std::string>& texts, Option<kParse>*, int) {
  auto value = kParse(texts.back());
  if (!value) throw std::invalid_argument(value.error().message);
  store = Option<kParse>{std::move(*value)};
}

template <auto kParse>
void validate(boost::any& store, const std::vector<std::string>& texts, OptionList<kParse>*, int) {
  OptionList<kParse> list;
  if (!store.empty()) list = boost::any_cast<OptionList<kParse>>(store);
  for (const std::string& text : texts) {
    auto value = kParse(text);
    if (!value) throw std::invalid_argument(value.error().message);
    list.values.push_back(std::move(*value));
  }
  store = std::move(list);
}

namespace {

/// How the entries of a key are read.
enum class Shape : std::uint8_t { Single, List, Lines };  // Lines: repeated, commas kept

/// The options of one section, bound to the struct they fill.
struct Schema {
  po::options_description options;
  std::map<std::string, Shape> shapes;
  std::map<std::string, std::string> defaults;

  template <auto kParse, class Target>
  void single(const char* key, Target& target, const char* help) {
    options.add_options()(key, value<kParse>(target), help);
    shapes[key] = Shape::Single;
  }
  template <auto kParse, class Target>
  void with_default(const char* key, Target& target, const char* text, const char* help) {
    const Option<kParse> preset{*kParse(text)};
    options.add_options()(key, value<kParse>(target)->default_value(preset, text), help);
    shapes[key] = Shape::Single;
    defaults[key] = text;
  }
  template <auto kParse, class Target>
  void list(const char* key, std::vector<Target>& target, const char* help,
            Shape shape = Shape::List) {
    auto* semantic = po::value<OptionList<kParse>>()->composing()->notifier(
        [&target](const OptionList<kParse>& list) { target = list.values; });
    options.add_options()(key, semantic, help);
    shapes[key] = shape;
  }

 private:
  template <auto kParse, class Target>
  static po::typed_value<Option<kParse>>* value(Target& target) {
    return po::value<Option<kParse>>()->notifier(
        [&target](const Option<kParse>& option) { target = option.value; });
  }
};

void describe(Schema& s, InterfaceConfig& c) {
  s.single<parse_key>("PrivateKey", c.private_key, "this node's key, or the file that holds it");
  s.list<parse_interface_address>("Address", c.addresses, "addresses to set on the TUN device");
  s.with_default<parse_device>("Device", c.device, "wb0", "name of the TUN device");
  s.with_default<parse_port>("ListenPort", c.listen_port, "51900",
                             "UDP port on every WAN; 0: any free one");
  s.with_default<parse_mtu>("MTU", c.mtu, "auto", "of the TUN device, bytes");
  s.with_default<parse_table>("Table", c.table, "auto",
                              "routes for AllowedIPs: auto, off, or a table");
  s.with_default<parse_mark>("FwMark", c.fwmark, "0", "mark of our own datagrams; 0: chosen by us");
  s.single<parse_user>("User", c.user, "who it runs as");
  s.single<parse_socket_path>("ControlSocket", c.control_socket, "where show and events ask");
  s.single<parse_listen_endpoint>("Metrics", c.metrics, "address and port of the Prometheus text");
  s.list<parse_text>("PostUp", c.post_up, "command to run when the device is up", Shape::Lines);
  s.list<parse_text>("PostDown", c.post_down, "command to run at the end", Shape::Lines);
  s.with_default<parse_log_level>("LogLevel", c.log_level, "info", "error, warning, info or debug");
  s.with_default<parse_memory>("Memory", c.memory_bytes, "48MB", "all packet buffers of this node");
  s.single<parse_key>("NetKey", c.net_key, "secret shared by the whole network, or its file");
  s.with_default<parse_yes_no>("FastRecovery", c.fast_recovery, "yes",
                               "send again what a lost path may have swallowed");
}

void describe(Schema& s, WanConfig& c, Heartbeat& heartbeat) {
  s.single<parse_device_pattern>("Device", c.device, "the WAN's interface, or a pattern for it");
  s.single<parse_address>("Source", c.source, "one of its addresses");
  s.single<parse_address>("Gateway", c.gateway,
                          "next hop, where the routing table has none for it");
  s.with_default<parse_priority>("Priority", c.settings.priority, "1", "a lower one is used first");
  s.with_default<parse_yes_no>("Metered", c.settings.metered, "no",
                               "slow heartbeats, used only when needed");
  s.with_default<parse_rate>("MaxRate", c.settings.rate_max, "0", "a ceiling; 0: none");
  s.with_default<parse_heartbeat>("Heartbeat", heartbeat, "20ms x4",
                                  "BFD interval and multiplier while in use");
  s.single<parse_port>("ListenPort", c.listen_port, "own UDP port of this WAN");
}

void describe(Schema& s, PeerConfig& c) {
  s.single<parse_public_key>("PublicKey", c.public_key, "who the peer is");
  s.single<parse_key>("PresharedKey", c.preshared_key, "secret of this pair, or its file");
  s.list<parse_endpoint>("Endpoint", c.endpoints, "where to call it; none: it calls us");
  s.list<parse_prefix>("AllowedIPs", c.allowed_ips, "routed to it and accepted from it");
  s.with_default<parse_metric>("Metric", c.metric, "100",
                               "of several peers with one prefix the lowest that is up wins");
  s.with_default<parse_cipher>("Cipher", c.cipher, "auto", "auto, aes or chacha");
  s.list<parse_path>("Paths", c.paths, "WAN>ENDPOINT pairs to use");
}

void describe(Schema& s, LanConfig& c) {
  s.list<parse_prefix>("Subnet", c.subnets, "where hosts have one of their addresses");
  s.single<parse_text>("Wan", c.wan, "where flows from this subnet go");
}

void describe(Schema& s, RuleConfig& c, ModeText& mode) {
  s.single<parse_match>("Match", c.rule.match,
                        "which flows: proto sport dport dscp src dst size; default: all");
  s.single<parse_mode>("Mode", mode, "how they are carried");
  s.list<parse_text>("Wans", c.wans, "the WANs to use, the best first");
  s.single<parse_duration>("MaxExtraDelay", c.rule.extra_delay_max,
                           "use no WAN that is slower than the fastest by more");
  s.single<parse_repair>("Repair", c.rule.repair, "send again what was lost; default by mode");
}

std::vector<std::string> keys_of(const Schema& schema) {
  std::vector<std::string> keys;
  for (const auto& option : schema.options.options()) keys.push_back(option->long_name());
  return keys;
}

std::vector<std::string> texts_of(const ConfigEntry& entry, Shape shape) {
  if (shape == Shape::List) return split_list(entry.value);
  return {entry.value};
}

/// Entries that count: known keys, and of a single value the last, which may override one of
/// another file but not one of its own.
std::vector<ConfigEntry> effective_entries(const ConfigSection& section, const Schema& schema,
                                           Diagnostics& diagnostics) {
  std::vector<ConfigEntry> kept;
  for (const ConfigEntry& entry : section.entries) {
    const auto shape = schema.shapes.find(entry.key);
    if (shape == schema.shapes.end()) {
      diagnostics.error(entry.place, "unknown key " + entry.key + " in [" + section.kind + "]" +
                                         suggest(entry.key, keys_of(schema)));
      continue;
    }
    const auto earlier = std::find_if(kept.begin(), kept.end(), [&](const ConfigEntry& other) {
      return shape->second == Shape::Single && other.key == entry.key;
    });
    if (earlier == kept.end()) {
      kept.push_back(entry);
    } else if (earlier->place.file == entry.place.file) {
      diagnostics.error(entry.place, entry.key + " is given twice, first in line " +
                                         std::to_string(earlier->place.line));
    } else {
      *earlier = entry;
    }
  }
  return kept;
}

/// Values one by one, so that a fault has the line it stands in.
void store_entry(const ConfigEntry& entry, const Schema& schema, po::variables_map& values,
                 Diagnostics& diagnostics) {
  po::parsed_options parsed(&schema.options);
  for (const std::string& text : texts_of(entry, schema.shapes.at(entry.key))) {
    if (text.empty()) return diagnostics.error(entry.place, entry.key + ": empty element in list");
    parsed.options.emplace_back(entry.key, std::vector<std::string>{text});
  }
  try {
    po::store(parsed, values);
  } catch (const std::exception& fault) {
    diagnostics.error(entry.place, entry.key + ": " + fault.what());
  }
}

void apply(const ConfigSection& section, const Schema& schema, Diagnostics& diagnostics) {
  po::variables_map values;
  for (const ConfigEntry& entry : effective_entries(section, schema, diagnostics))
    store_entry(entry, schema, values, diagnostics);
  po::store(po::parsed_options(&schema.options), values);  // the defaults
  po::notify(values);
}

template <class T>
std::vector<KeyHelp> help_of(const char* section, const Schema& schema, const T&) {
  std::vector<KeyHelp> keys;
  for (const auto& option : schema.options.options()) {
    const auto preset = schema.defaults.find(option->long_name());
    keys.push_back({section, option->long_name(),
                    preset == schema.defaults.end() ? "" : preset->second, option->description()});
  }
  return keys;
}

template <class T>
void append_keys(const char* section, std::vector<KeyHelp>& all) {
  Schema schema;
  T config;
  if constexpr (std::is_same_v<T, WanConfig>) {
    Heartbeat heartbeat;
    describe(schema, config, heartbeat);
  } else if constexpr (std::is_same_v<T, RuleConfig>) {
    ModeText mode;
    describe(schema, config, mode);
  } else {
    describe(schema, config);
  }
  for (KeyHelp& key : help_of(section, schema, config)) all.push_back(std::move(key));
}

template <class T>
void read_simple(const ConfigSection& section, T& out, Diagnostics& diagnostics) {
  Schema schema;
  describe(schema, out);
  out.place = section.place;
  apply(section, schema, diagnostics);
}

}  // namespace

void read_section(const ConfigSection& section, InterfaceConfig& out, Diagnostics& diagnostics) {
  read_simple(section, out, diagnostics);
  out.private_key.place = place_of(section, "PrivateKey");
  out.net_key.place = place_of(section, "NetKey");
}

void read_section(const ConfigSection& section, WanConfig& out, Diagnostics& diagnostics) {
  Schema schema;
  Heartbeat heartbeat;
  describe(schema, out, heartbeat);
  out.place = section.place;
  out.name = section.name;
  apply(section, schema, diagnostics);
  out.settings.heartbeat = heartbeat.interval;
  out.settings.detect_mult = heartbeat.detect_mult;
}

void read_section(const ConfigSection& section, PeerConfig& out, Diagnostics& diagnostics) {
  read_simple(section, out, diagnostics);
  out.name = section.name;
  out.public_key_place = place_of(section, "PublicKey");
  out.preshared_key.place = place_of(section, "PresharedKey");
}

void read_section(const ConfigSection& section, LanConfig& out, Diagnostics& diagnostics) {
  read_simple(section, out, diagnostics);
  out.name = section.name;
}

void read_section(const ConfigSection& section, RuleConfig& out, Diagnostics& diagnostics) {
  Schema schema;
  ModeText mode;
  describe(schema, out, mode);
  out.place = section.place;
  out.rule.name = section.name;
  apply(section, schema, diagnostics);
  out.rule.mode = mode.mode;
  out.rule.copies = mode.copies;
}

bool has_entry(const ConfigSection& section, const std::string& key) {
  return std::any_of(section.entries.begin(), section.entries.end(),
                     [&](const ConfigEntry& entry) { return entry.key == key; });
}

Place place_of(const ConfigSection& section, const std::string& key, std::size_t index) {
  Place last = section.place;
  for (const ConfigEntry& entry : section.entries) {
    if (entry.key != key) continue;
    last = entry.place;
    const std::size_t count = split_list(entry.value).size();
    if (index < count) return last;
    index -= count;
  }
  return last;
}

std::vector<KeyHelp> config_keys() {
  std::vector<KeyHelp> all;
  append_keys<InterfaceConfig>("Interface", all);
  append_keys<WanConfig>("Wan", all);
  append_keys<PeerConfig>("Peer", all);
  append_keys<LanConfig>("Lan", all);
  append_keys<RuleConfig>("Rule", all);
  return all;
}

}  // namespace wanbond
