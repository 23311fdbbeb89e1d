#include "metrics.h"

#include <spdlog/fmt/fmt.h>

#include "sched/units.h"
#include "version.h"

namespace wanbond {
namespace {

/// A label's value: backslash, quote and line feed escaped.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

void head(std::string& out, const char* name, const char* type, const char* help) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

struct PathMetric {
  const char* name;
  const char* type;
  const char* help;
  double (*value)(const PathStatus&);
};

const PathMetric kPathMetrics[] = {
    {"wanbond_path_up", "gauge", "1 while the path may carry data",
     [](const PathStatus& p) { return p.state == PathState::Up ? 1.0 : 0.0; }},
    {"wanbond_path_selected", "gauge", "1 for the path in use",
     [](const PathStatus& p) { return p.selected ? 1.0 : 0.0; }},
    {"wanbond_path_rtt_seconds", "gauge", "Smoothed round-trip time",
     [](const PathStatus& p) { return seconds(p.rtt); }},
    {"wanbond_path_rtt_min_seconds", "gauge", "Least round-trip time",
     [](const PathStatus& p) { return seconds(p.rtt_min); }},
    {"wanbond_path_jitter_seconds", "gauge", "Variation of the delay",
     [](const PathStatus& p) { return seconds(p.jitter); }},
    {"wanbond_path_loss_ratio", "gauge", "Part of what we sent that was lost",
     [](const PathStatus& p) { return p.loss_ppm / 1e6; }},
    {"wanbond_path_mtu_bytes", "gauge", "Largest IP packet of the path",
     [](const PathStatus& p) { return static_cast<double>(p.mtu_bytes); }},
    {"wanbond_path_transmit_bytes_total", "counter", "Bytes sent",
     [](const PathStatus& p) { return static_cast<double>(p.tx_bytes); }},
    {"wanbond_path_receive_bytes_total", "counter", "Bytes received",
     [](const PathStatus& p) { return static_cast<double>(p.rx_bytes); }},
    {"wanbond_path_transmit_packets_total", "counter", "Datagrams sent",
     [](const PathStatus& p) { return static_cast<double>(p.tx_packets); }},
    {"wanbond_path_receive_packets_total", "counter", "Datagrams received",
     [](const PathStatus& p) { return static_cast<double>(p.rx_packets); }},
    {"wanbond_path_resent_packets_total", "counter", "Packets lost here and sent again",
     [](const PathStatus& p) { return static_cast<double>(p.resent_packets); }},
    {"wanbond_path_downs_total", "counter", "Times the path went down",
     [](const PathStatus& p) { return static_cast<double>(p.downs); }},
};

void write_paths(std::string& out, const NodeStatus& node, const PathMetric& metric) {
  head(out, metric.name, metric.type, metric.help);
  for (const PeerStatus& peer : node.peers) {
    for (const PathStatus& path : peer.paths)
      out += fmt::format("{}{{peer=\"{}\",path=\"{}\"}} {}\n", metric.name, escape(peer.name),
                         escape(path.name), metric.value(path));
  }
}

}  // namespace

std::string metrics_text(const InstanceStatus& status) {
  std::string out;
  head(out, "wanbond_info", "gauge", "What runs here");
  out += fmt::format("wanbond_info{{name=\"{}\",version=\"{}\",io=\"{}\"}} 1\n",
                     escape(status.name), kVersion, status.io);
  head(out, "wanbond_uptime_seconds", "gauge", "Time since the start");
  out += fmt::format("wanbond_uptime_seconds {}\n", seconds(status.uptime));
  head(out, "wanbond_peer_up", "gauge", "1 while a path to the peer is usable");
  for (const PeerStatus& peer : status.node.peers)
    out += fmt::format("wanbond_peer_up{{peer=\"{}\"}} {}\n", escape(peer.name), peer.up ? 1 : 0);
  for (const PathMetric& metric : kPathMetrics) write_paths(out, status.node, metric);
  head(out, "wanbond_drops_total", "counter", "Packets dropped, by reason");
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    out += fmt::format("wanbond_drops_total{{reason=\"{}\"}} {}\n", to_string(reason),
                       status.node.drops.of(reason));
  }
  return out;
}

}  // namespace wanbond
