#include "status_json.h"

#include "json_writer.h"
#include "sched/units.h"
#include "version.h"

namespace wanbond {
namespace {

/// A time that is null until it was measured.
void measured_ms(JsonWriter& json, const char* name, Duration time) {
  json.key(name);
  if (time == Duration::zero())
    json.null();
  else
    json.value(to_ms(time));
}

void write_path(JsonWriter& json, const InstanceStatus& status, const PathStatus& path) {
  json.begin_object()
      .member("name", path.name)
      .member("id", path.id.value)
      .member("wan", wan_of(status, path))
      .member("local", path.local.is_unspecified() ? "" : path.local.to_string())
      .member("remote", path.remote.port == 0 ? "" : path.remote.to_string())
      .member("state", to_string(path.state))
      .member("bfd_state", bfd_state_name(path.bfd_state))
      .member("selected", path.selected)
      .member("learned", path.learned)
      .member("order", to_string(path.order))
      .member("use", to_string(path.use.why))
      .member("held_ms", to_ms(path.use.held))
      .member("detection_time_ms", to_ms(path.detection_time));
  measured_ms(json, "rtt_ms", path.rtt);
  measured_ms(json, "rtt_min_ms", path.rtt_min);
  json.member("owd_relative_ms", to_ms(path.delay_relative))
      .member("jitter_ms", to_ms(path.jitter))
      .member("loss_ppm", path.loss_ppm)
      .member("rate_mbps", static_cast<double>(path.rate.bits_per_second) / 1e6)
      .member("queue_ms", to_ms(path.bond.queue))
      .member("mtu", path.mtu_bytes)
      .member("tx_packets", path.tx_packets)
      .member("tx_bytes", path.tx_bytes)
      .member("rx_packets", path.rx_packets)
      .member("rx_bytes", path.rx_bytes)
      .member("resent_packets", path.resent_packets)
      .member("downs", path.downs)
      .member("last_down_cause", to_string(path.last_down_cause));
  json.key("bond")
      .begin_object()
      .member("state", to_string(path.bond.state))
      .member("capacity_mbps", static_cast<double>(path.bond.capacity_bits) / 1e6)
      .member("pace_mbps", static_cast<double>(path.bond.rate_bits) / 1e6)
      .member("queue_ms", to_ms(path.bond.queue))
      .member("loss_ppm", path.bond.loss_ppm)
      .member("share", static_cast<double>(path.bond.share_ppm) / 1e6)
      .end_object()
      .end_object();
}

void write_peer(JsonWriter& json, const InstanceStatus& status, const PeerStatus& peer) {
  json.begin_object()
      .member("name", peer.name)
      .member("public_key", peer.public_key.to_text())
      .member("state", peer.up ? "up" : "down")
      .key("cipher");
  if (peer.has_keys) {
    json.value(cipher_name(peer.cipher)).member("handshake_age_s", seconds(peer.handshake_age));
  } else {
    json.null().key("handshake_age_s").null();
  }
  json.member("tx_packets", peer.tx_packets)
      .member("tx_bytes", peer.tx_bytes)
      .member("rx_packets", peer.rx_packets)
      .member("rx_bytes", peer.rx_bytes)
      .member("spare_copies", peer.spare_copies.packets)
      .member("spare_copy_bytes", peer.spare_copies.bytes);
  json.key("resequencer")
      .begin_object()
      .member("held_packets", peer.held_packets)
      .member("late", peer.resequencer.late)
      .member("duplicates", peer.resequencer.duplicates)
      .member("timeouts", peer.resequencer.timeouts)
      .end_object();
  json.key("paths").begin_array();
  for (const PathStatus& path : peer.paths) write_path(json, status, path);
  json.end_array().end_object();
}

void write_io(JsonWriter& json, const IoCounters& io) {
  json.key("io_counters")
      .begin_object()
      .member("sends", io.sends)
      .member("send_failures", io.send_failures)
      .member("receives", io.receives)
      .member("tun_reads", io.tun_reads)
      .member("tun_writes", io.tun_writes)
      .member("tun_write_failures", io.tun_write_failures)
      .member("no_buffer", io.no_buffer)
      .member("gso_fallbacks", io.gso_fallbacks)
      .end_object();
}

}  // namespace

std::string status_json(const InstanceStatus& status) {
  JsonWriter json;
  json.begin_object()
      .member("schema", kStatusSchema)
      .member("name", status.name)
      .member("version", kVersion)
      .member("uptime_s", seconds(status.uptime))
      .member("device", status.device)
      .member("mtu", status.mtu)
      .member("io", status.io)
      .member("cipher_backend", status.cipher_backend);
  json.key("peers").begin_array();
  for (const PeerStatus& peer : status.node.peers) write_peer(json, status, peer);
  json.end_array();
  FlowTable::Counts flows{};
  for (const PeerStatus& peer : status.node.peers)
    for (std::size_t i = 0; i < kFlowKindCount; ++i) flows[i] += peer.flows[i];
  const auto flows_of = [&](FlowKind kind) { return flows[static_cast<std::size_t>(kind)]; };
  json.key("flows")
      .begin_object()
      .member("mptcp", flows_of(FlowKind::Mptcp))
      .member("tcp", flows_of(FlowKind::Tcp))
      .member("udp", flows_of(FlowKind::Udp))
      .member("other", flows_of(FlowKind::Other))
      .end_object();
  json.key("rules").begin_array();
  for (const RuleStatus& rule : status.node.rules)
    json.begin_object()
        .member("name", rule.name)
        .member("mode", to_string(rule.mode))
        .member("flows", rule.total.flows)
        .member("packets", rule.total.packets)
        .member("bytes", rule.total.bytes)
        .end_object();
  json.end_array();
  json.key("drops").begin_object();
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    const auto reason = static_cast<DropReason>(i);
    json.member(to_string(reason), status.node.drops.of(reason));
  }
  json.end_object();
  write_io(json, status.io_counters);
  json.member("lost_events", status.lost_events).end_object();
  return json.text() + "\n";
}

}  // namespace wanbond
