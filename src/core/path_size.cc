// The packet size of a path: probes out, answers to the peer's, and who is told (RFC 8899).
#include <algorithm>

#include "core/path.h"
#include "proto/limits.h"

namespace wanbond {
namespace {

// Of IP and UDP.
constexpr std::size_t kIpv4UdpBytes = 28;
constexpr std::size_t kIpv6UdpBytes = 48;

}  // namespace

PmtuLimits Path::size_limits() const noexcept {
  const std::size_t headers = address_.remote.address.is_v4() ? kIpv4UdpBytes : kIpv6UdpBytes;
  return {std::min<std::size_t>(wan_.mtu_bytes - headers, kUdpPayloadBytesMax), headers};
}

// Only a datagram of the size that it speaks of proves that size.
void Path::on_probe(const PmtuProbeFrame& frame, const Arrival& arrival) noexcept {
  if (arrival.bytes < frame.payload_bytes) return;
  if (probe_acks_.to != arrival.from) probe_acks_ = {arrival.from, {}};
  (void)probe_acks_.frames.push({frame.id, frame.payload_bytes});  // full: the peer asks again
}

void Path::on_probe_ack(Time now, const PmtuAckFrame& frame) noexcept {
  pmtu_.on_ack(now, frame);
  note_size();
}

std::optional<ControlPlan> Path::plan_size(Time now) noexcept {
  if (!probe_acks_.frames.empty()) {
    ControlPlan plan{.to = probe_acks_.to};
    for (const PmtuAckFrame& frame : probe_acks_.frames) (void)plan.frames.push(frame);  // eight
    probe_acks_.frames.clear();
    return plan;
  }
  if (!can_talk()) return {};
  const auto probe = pmtu_.poll_probe(now);
  if (!probe) return {};
  ControlPlan plan{.to = address_, .padded_bytes = probe->payload_bytes};
  (void)plan.frames.push(*probe);  // the first of eight
  return plan;
}

// A size is told when the search for it is over, and at once when it has shrunk.
void Path::note_size() noexcept {
  const std::size_t bytes = pmtu_.payload_bytes();
  const bool settled =
      pmtu_.phase() == PathMtu::Phase::Complete || pmtu_.phase() == PathMtu::Phase::Error;
  if (bytes == reported_bytes_ || (!settled && bytes > reported_bytes_)) return;
  reported_bytes_ = bytes;
  (void)changes_.push(PathChange{.kind = EventKind::PathSize,
                                 .cause = pmtu_.carries_data() ? Cause::None : Cause::TooSmall,
                                 .from = state_,
                                 .to = state_,
                                 .payload_bytes = static_cast<std::uint16_t>(bytes)});
}

}  // namespace wanbond
