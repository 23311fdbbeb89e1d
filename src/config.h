// The configuration of a node: text in, checked values out. The only parser of the file format of
// wanbond.conf(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "config_scanner.h"
#include "core/settings.h"
#include "io/netlink.h"

namespace wanbond {

/// A key as it was written: itself in base64, or the absolute path of a file that holds it.
struct KeyText {
  std::string text;
  Place place;

  bool given() const noexcept { return !text.empty(); }
  /// One key in 64 begins with a slash, too; but it has 44 characters, the last one '='.
  bool is_file() const noexcept {
    return text.starts_with('/') && !(text.size() == 44 && text.back() == '=');
  }
};

/// `Table`: where routes for AllowedIPs go.
struct TableChoice {
  enum class Kind : std::uint8_t { Auto, Off, Number };
  Kind kind = Kind::Auto;
  std::uint32_t number = 0;
};

enum class LogLevel : std::uint8_t { Error, Warning, Info, Debug };

/// [Interface].
struct InterfaceConfig {
  Place place;
  KeyText private_key;
  KeyText net_key;
  std::vector<InterfaceAddress> addresses;
  std::string device;
  std::uint16_t listen_port = 0;     // 0: any
  std::optional<std::uint32_t> mtu;  // bytes; none: auto
  TableChoice table;
  std::uint32_t fwmark = 0;
  std::string user;            // empty: "wanbond" if it exists
  std::string control_socket;  // empty: /run/wanbond/NAME.sock
  std::optional<Endpoint> metrics;
  std::vector<std::string> post_up, post_down;
  LogLevel log_level = LogLevel::Info;
  std::uint64_t memory_bytes = 0;
  bool fast_recovery = true;
};

/// [Wan NAME].
struct WanConfig {
  Place place;
  std::string name;
  std::string device;                        // empty: the one that has `source`
  std::optional<IpAddress> source, gateway;  // gateway: next hop where the routing table has none
  std::optional<std::uint16_t> listen_port;  // none: that of [Interface]
  WanSettings settings;                      // name and mtu_bytes are filled in later
};

/// An endpoint as written: an address, or a host name to be resolved.
struct EndpointText {
  std::string host;
  std::uint16_t port = 0;
  std::optional<IpAddress> address;  // of a host that is an address

  /// "198.51.100.10:51900", "[2001:db8::1]:51900", "hq.example.net:51900".
  std::string to_string() const;
};

/// One element of `Paths`: "fiber>198.51.100.10:51900" or "lte>any".
struct PathText {
  std::string wan;
  std::optional<EndpointText> endpoint;  // none: any address that the peer calls from
};

/// [Peer NAME].
struct PeerConfig {
  Place place;
  std::string name;
  PublicKey public_key;
  Place public_key_place;
  KeyText preshared_key;
  std::vector<EndpointText> endpoints;
  std::vector<Prefix> allowed_ips;
  std::uint32_t metric = 100;
  CipherPolicy cipher = CipherPolicy::Auto;
  std::vector<PathText> paths;  // empty: every WAN to every endpoint, and to where it calls from
  PresharedKey psk;             // filled by load_config
};

/// [Lan NAME].
struct LanConfig {
  Place place;
  std::string name;
  std::vector<Prefix> subnets;
  std::string wan;
};

/// [Rule NAME].
struct RuleConfig {
  Place place;
  FlowRule rule;                  // its wans are filled in by the plan
  std::vector<std::string> wans;  // empty: all
};

/// A checked configuration.
struct Config {
  std::string name;  // of the instance: the file's without ".conf"
  std::string file;
  InterfaceConfig interface;
  std::vector<WanConfig> wans;  // empty: every interface with a default route
  std::vector<PeerConfig> peers;
  std::vector<LanConfig> lans;
  std::vector<RuleConfig> rules;  // in file order
  KeyPair keys;                   // filled by load_config
  NetKey netkey;                  // filled by load_config
  std::vector<std::string> warnings;

  /// ControlSocket or its default.
  std::string control_path() const;
};

/// One file's text with the name that messages give it.
struct ConfigText {
  std::string file;
  std::string text;
};

/// Understands the main file (first) and its drop-ins, which add to lists and replace single
/// values. Touches nothing but its input. The error is one line "FILE:LINE: ..." per fault.
Result<Config> parse_config(const std::vector<ConfigText>& texts);

/// Reads `file`, FILE's drop-ins FILE.d/*.conf in the order of their names, and the key files. As
/// parse_config; also an error when a file cannot be read or a key file is open to others.
Result<Config> load_config(const std::string& file);

/// The control socket of a configuration, without reading its keys.
Result<std::string> control_path_in(const std::string& file);

/// The file that an instance name stands for: /etc/wanbond/NAME.conf.
std::string config_file_of(const std::string& name);

/// One key of the file format, for the man page's test.
struct KeyHelp {
  std::string section;  // "Interface"
  std::string key;
  std::string default_value;  // empty: none
  std::string help;
};

/// All sections and keys that the parser knows.
std::vector<KeyHelp> config_keys();

}  // namespace wanbond
