// wanbond check: reads a configuration, says what is wrong with it or what would run.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <string>

#include "cmd_line.h"
#include "config.h"
#include "plan.h"

namespace wanbond {
namespace {

template <class List>
std::string join(const List& list) {
  std::string text;
  for (const auto& item : list) text += (text.empty() ? "" : ", ") + item.to_string();
  return text.empty() ? "none" : text;
}

std::string to_text(const TableChoice& table) {
  if (table.kind == TableChoice::Kind::Auto) return "auto";
  return table.kind == TableChoice::Kind::Off ? "off" : std::to_string(table.number);
}

void print_interface(const Config& config, const Plan& plan) {
  const InterfaceConfig& interface = config.interface;
  std::string addresses;
  for (const InterfaceAddress& own : interface.addresses)
    addresses += " " + own.address.to_string() + "/" + std::to_string(own.length);
  std::cout << "interface " << interface.device << ":" << addresses << " mtu "
            << plan.node.tun_mtu_bytes << " table " << to_text(interface.table) << "\n"
            << "public key " << config.keys.public_key.to_text() << "\n"
            << "control socket " << config.control_path() << "\n";
}

void print_wan(const WanPlan& wan) {
  const WanSettings& settings = wan.settings;
  const std::string port =
      wan.socket.port == 0 ? "any port" : "port " + std::to_string(wan.socket.port);
  std::cout << "wan " << settings.name << ": device "
            << (wan.socket.device.empty() ? "not found" : wan.socket.device)
            << (wan.source ? " source " + wan.source->to_string() : "")
            << (wan.gateway ? " gateway " + wan.gateway->to_string() : "") << " " << port << " mtu "
            << settings.mtu_bytes << " priority " << settings.priority
            << (settings.metered ? " metered" : "") << " heartbeat " << to_ms(settings.heartbeat)
            << "ms x" << settings.detect_mult << "\n";
}

void print_peer(const PeerConfig& peer, const PeerSettings& settings, const Plan& plan) {
  std::cout << "peer " << peer.name << ": " << peer.public_key.to_text() << " metric "
            << peer.metric << "\n  allowed " << join(peer.allowed_ips) << "\n";
  std::vector<std::string> texts(settings.endpoints.size());  // of a name only the first place
  std::size_t next = 0;
  for (const EndpointText& endpoint : peer.endpoints) {
    texts[next] = endpoint.to_string();
    next += endpoint.address ? 1 : kAddressesPerName;
  }
  for (const PathSettings& path : settings.paths) {
    const std::string& wan = plan.wans[path.wan.value].settings.name;
    const std::string to = path.endpoint ? texts[*path.endpoint] : "any";
    if (!wan.empty() && !to.empty()) std::cout << "  path " << wan << ">" << to << "\n";
  }
}

void print_rule(const RuleConfig& rule) {
  std::cout << "rule " << rule.rule.name << ": " << to_string(rule.rule.mode);
  if (rule.rule.mode == RuleMode::Duplicate) std::cout << "(" << rule.rule.copies << ")";
  for (std::size_t i = 0; i < rule.wans.size(); ++i)
    std::cout << (i == 0 ? " wans " : ", ") << rule.wans[i];
  if (rule.rule.extra_delay_max)
    std::cout << " max extra delay " << to_ms(*rule.rule.extra_delay_max) << "ms";
  if (rule.rule.repair != RuleRepair::ByMode)
    std::cout << (rule.rule.repair == RuleRepair::Yes ? " repaired" : " not repaired");
  std::cout << "\n";
}

/// Strict reverse path filtering (1) drops what comes in by a WAN that is not the best route back.
bool is_rp_filter_strict(const std::string& device) {
  int highest = 0;
  for (const std::string& scope : {std::string("all"), device}) {
    int value = 0;
    std::ifstream("/proc/sys/net/ipv4/conf/" + scope + "/rp_filter") >> value;
    highest = std::max(highest, value);  // Linux ip-sysctl: the maximum of both counts
  }
  return highest == 1;
}

int print_keys() {
  for (const KeyHelp& key : config_keys())
    std::cout << key.section << "." << key.key << "\t" << key.default_value << "\t" << key.help
              << "\n";
  return kExitFine;
}

}  // namespace

int run_check(Arguments arguments) {
  const CommandForm form{
      "check",
      "Reads a configuration and says what is wrong with it, or what would run. Changes nothing.",
      Operand::Instance,
      {{"keys", "list all sections and keys with their defaults, and read nothing"}}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  if (line.has("keys")) return print_keys();
  if (line.config_file.empty()) {
    complain("check: which one? give NAME or -c FILE");
    return kExitUsage;
  }
  const auto config = load_config(line.config_file);
  if (!config) {
    complain(config.error().message);
    return kExitUsage;
  }
  auto netlink = Netlink::open();
  const auto machine = netlink ? read_machine(*netlink) : Result<Machine>(netlink.error());
  const auto plan = machine ? make_plan(*config, *machine) : Result<Plan>(machine.error());
  if (!plan) {
    complain(plan.error().message);
    return machine ? kExitUsage : kExitFailed;
  }
  print_interface(*config, *plan);
  for (const WanPlan& wan : plan->wans)
    if (!wan.settings.name.empty()) print_wan(wan);
  for (std::size_t i = 0; i < config->peers.size(); ++i)
    print_peer(config->peers[i], plan->node.peers[i], *plan);
  for (const LanConfig& lan : config->lans)
    std::cout << "lan " << lan.name << ": " << join(lan.subnets) << " wan " << lan.wan << "\n";
  for (const RuleConfig& rule : config->rules) print_rule(rule);
  for (const std::string& warning : config->warnings) complain("warning: " + warning);
  for (const std::string& warning : plan->warnings) complain("warning: " + warning);
  for (const WanPlan& wan : plan->wans) {
    if (is_rp_filter_strict(wan.socket.device))
      complain("warning: rp_filter of " + wan.socket.device +
               " is strict and may drop what arrives there; cure: sysctl net.ipv4.conf." +
               wan.socket.device + ".rp_filter=2");
  }
  return kExitFine;
}

}  // namespace wanbond
