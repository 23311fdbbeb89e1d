#include "tests/sim/order_checker.h"

#include <algorithm>

#include "base/inner.h"
#include "tests/sim/hash.h"

namespace wanbond::sim {
namespace {

// What offloads may change is left out: lengths, IPv4 identification, PSH, checksums.
struct Digest {
  std::uint64_t packet;
  std::uint64_t flow;
  bool is_resequenced = false;
  bool is_udp = false;
  bool is_dns = false;
};

// No packet is waited for longer than this at least (scheduling 5.8).
constexpr Duration kHoldMin = 110ms;
// Packets of a UDP flow that may have a copy on another path (SpareCopies).
constexpr std::uint64_t kCopiedFirst = 2;

// Pure acknowledgements have an order of their own.
bool is_pure_ack(const InnerPacket& inner) {
  return inner.is_tcp() && inner.payload_bytes() == 0 &&
         (inner.tcp_flags & (kTcpSyn | kTcpFin | kTcpRst)) == 0;
}

Digest digest(Bytes packet) {
  const auto inner = parse_inner(packet);
  if (!inner || !inner->has_l4()) return {Hash().add(packet).value(), 0};
  Hash hash;
  hash.add(inner_addresses(packet, *inner)).add(inner->protocol);
  hash.add(std::uint64_t{inner->source_port} << 16 | inner->destination_port);
  hash.add(std::uint64_t{is_pure_ack(*inner)});
  const std::uint64_t flow = hash.value();
  hash.add(inner->traffic_class);
  if (inner->is_tcp()) {
    hash.add(packet.subspan(inner->l4_offset + 4U, 8));  // sequence, acknowledgement
    hash.add(inner->tcp_flags & ~kTcpPsh);
  }
  return {.packet = hash.add(packet.subspan(inner->header_bytes())).value(),
          .flow = flow,
          .is_resequenced = inner->is_tcp() && !is_pure_ack(*inner),
          .is_udp = inner->is_udp(),
          .is_dns = inner->is_udp() && (inner->source_port == 53 || inner->destination_port == 53)};
}

}  // namespace

void OrderChecker::on_in(Time now, unsigned host, Bytes packet) {
  const Digest id = digest(packet);
  Sent& sent = sent_[id.packet];
  sent.ambiguous = sent.count > 0;
  ++sent.count;
  sent.host = host;
  sent.flow = id.flow;
  sent.number = ++flows_[id.flow].sent;
  sent.time = now;
  sent.is_resequenced = id.is_resequenced;
  sent.is_copied = id.is_dns || (id.is_udp && sent.number <= kCopiedFirst);
}

std::optional<std::string> OrderChecker::on_out(Time now, Bytes packet) {
  const auto found = sent_.find(digest(packet).packet);
  if (found == sent_.end()) return "a packet came out that nobody sent, or twice, or changed";
  const Sent sent = found->second;
  if (--found->second.count == 0) sent_.erase(found);
  if (sent.ambiguous) return std::nullopt;  // a repeat: either of the two may have come
  Flow& flow = flows_[sent.flow];
  if (sent.number > flow.highest) {
    flow.highest = sent.number;
    flow.highest_time = sent.time;
    return std::nullopt;
  }
  if (sent.is_copied) return std::nullopt;  // one by the slower path, if the other is lost
  const bool may_be_late = sent.is_resequenced
                               ? now - sent.time > kHoldMin
                               : moved_between(sent.host, sent.time, flow.highest_time);
  if (links_ == Links::Reorder || may_be_late) return std::nullopt;
  return "packet " + std::to_string(sent.number) + " of a flow came out behind packet " +
         std::to_string(flow.highest);
}

bool OrderChecker::moved_between(unsigned host, Time from, Time to) const {
  const auto found = moves_.find(host);
  if (found == moves_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](Time move) { return from <= move && move <= to; });
}

}  // namespace wanbond::sim
