#include "tests/sim/checker.h"

namespace wanbond::sim {
namespace {

constexpr std::byte kData{0x74};

bool is_data(const Datagram& datagram) {
  return !datagram.bytes.empty() && datagram.bytes[0] == kData;
}

// What can happen to a packet from the LAN before it is a datagram.
constexpr std::array kOutboundReasons{DropReason::InnerMalformed, DropReason::NoRoute,
                                      DropReason::NoPath,         DropReason::TooBig,
                                      DropReason::NoBuffer,       DropReason::QueueFull};

}  // namespace

void Checker::fail(const std::string& host, const std::string& what) {
  if (violations_.size() >= kViolationsMax) return;
  violations_.push_back("at " + std::to_string(to_ms(world_.now().time_since_epoch())) +
                        " ms, host " + host + ": " + what);
}

void Checker::on_lan_in(unsigned host, Bytes packet) {
  ++ledgers_[host].lan_in;
  order_.on_in(world_.now(), host, packet);
}

void Checker::on_lan_out(unsigned host, Bytes packet) {
  ++ledgers_[host].lan_out;
  if (const auto wrong = order_.on_out(world_.now(), packet)) fail(host, *wrong);
}

void Checker::on_datagram_out(unsigned from, unsigned to, const Datagram& datagram) {
  if (is_data(datagram)) ++ledgers_[from].data_out;
  if (!nonces_.on_datagram(from, to, datagram.bytes)) fail(from, "a nonce was used twice");
}

void Checker::on_datagram_in(unsigned host, const Datagram& datagram) {
  if (is_data(datagram)) ++ledgers_[host].data_in;
}

void Checker::on_outage_use(const Datagram& datagram, Time cut_at) {
  const Duration since = world_.now() - cut_at;
  if (!is_data(datagram) || since <= limits_.dead_path_use_max) return;
  fail(datagram.from.to_string(),
       "sent data into an outage that is " + std::to_string(to_ms(since)) + " ms old");
}

void Checker::on_event(unsigned host, const Event& event) {
  if (event.kind == EventKind::PathSelected) order_.on_moved(world_.now(), host);
}

void Checker::on_timer_call(unsigned host) {
  TimerCalls& calls = timers_[host];
  const auto second = world_.now().time_since_epoch() / std::chrono::seconds(1);
  if (second != calls.second) calls.in_second = 0;
  calls.second = second;
  ++calls.total;
  if (++calls.in_second == limits_.timer_calls_per_second_max + 1)
    fail(host, "more than " + std::to_string(calls.in_second - 1) + " timer calls in a second");
}

void Checker::on_buffers(unsigned host, std::size_t used) {
  if (used > limits_.buffers_held_max)
    fail(host, std::to_string(used) + " buffers are held between two inputs");
}

void Checker::on_end(unsigned host, const NodeStatus& status) {
  const Ledger& ledger = ledgers_[host];
  const DropCounters& drops = status.drops;
  std::uint64_t waiting = 0;
  for (const PeerStatus& peer : status.peers)
    waiting += peer.resequencer.voids + peer.held_packets + peer.rx_probes;
  std::uint64_t outbound = 0;
  for (const DropReason reason : kOutboundReasons) outbound += drops.of(reason);
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < kDropReasonCount; ++i) all += drops.of(static_cast<DropReason>(i));
  const auto say = [](std::uint64_t n) { return std::to_string(n); };
  if (ledger.lan_in > ledger.data_out + outbound)
    fail(host, say(ledger.lan_in) + " packets came from the LAN, but " + say(ledger.data_out) +
                   " were sent and " + say(outbound) + " dropped for a reason");
  if (ledger.data_in > ledger.lan_out + all + waiting)
    fail(host, say(ledger.data_in) + " DATA came in, but " + say(ledger.lan_out) +
                   " went to the LAN and " + say(all) + " were dropped for a reason");
  if (ledger.lan_out > ledger.data_in)
    fail(host, say(ledger.lan_out) + " packets went to the LAN, but only " + say(ledger.data_in) +
                   " DATA came in");
}

}  // namespace wanbond::sim
