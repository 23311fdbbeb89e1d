#include "sched/flow_mode.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kHeld = 15s;
constexpr Duration kForget = 30s;  // a silent flow begins anew
constexpr std::uint32_t kBulkPackets = 50;
constexpr Duration kBulkIdle = 300ms;
constexpr Duration kReview = 1s;
constexpr unsigned kStuckReviews = 4;
constexpr double kStuckMin = 0.75, kStuckMax = 0.9, kWorth = 1.25, kKeep = 0.4;
constexpr double kBacklogGrowth = 1.15, kBacklogFree = 15'000;

}  // namespace

bool FlowModes::is_alone(Time now, std::uint16_t flow) const noexcept {
  return bulk_flow_ == flow || now - bulk_at_ >= kBulkIdle;
}

/// Keeps a flow in the list; the one that was used longest ago makes room.
void FlowModes::note_recent(Time now, std::uint16_t flow) noexcept {
  std::size_t at = 0;
  for (std::size_t i = 0; i < recent_count_; ++i) {
    if (recent_[i] == flow) return;
    if (flows_[recent_[i]].used < flows_[recent_[at]].used) at = i;
  }
  if (recent_count_ < kRecentMax)
    recent_[recent_count_++] = flow;
  else if (now - flows_[recent_[at]].used > kBulkIdle)
    recent_[at] = flow;
}

bool FlowModes::on_packet(Time now, std::uint16_t id, std::uint32_t bytes) noexcept {
  Flow& flow = flows_[id];
  bool begins = false;
  if (flow.began == kNever || now - flow.used > kForget) {
    flow = Flow{.began = now, .reviewed = now};
    begins = start_ == FlowStart::Bulk && is_alone(now, id);
    if (begins) {
      flow.held_until = now + kHeld;
      note_recent(now, id);
    }
  }
  flow.used = now;
  flow.bytes += bytes;
  if (++flow.packets > kBulkPackets) {
    if ((flow.packets & 63U) == 0) note_recent(now, id);
    bulk_flow_ = id;
    bulk_at_ = now;
  }
  return begins;
}

void FlowModes::review(Time now, std::uint16_t id, std::uint64_t backlog_bytes,
                       const CapacityOutlook& capacity) noexcept {
  Flow& flow = flows_[id];
  flow.backlog_max = std::max(flow.backlog_max, backlog_bytes);
  if (flow.began == kNever || now - flow.reviewed <= kReview) return;
  const double rate = static_cast<double>(flow.bytes) / seconds(now - flow.reviewed);
  const bool grows = static_cast<double>(flow.backlog_max) >
                     kBacklogGrowth * static_cast<double>(flow.backlog_before) + kBacklogFree;
  const bool is_stuck = rate > kStuckMin * capacity.fastest && rate < kStuckMax * capacity.sum &&
                        capacity.sum > kWorth * capacity.fastest && !flow.was_signalled && !grows;
  if (is_held(now, id)) {
    if (rate > kKeep * capacity.fastest) flow.held_until = now + kHeld;
  } else {
    flow.stuck = is_stuck ? flow.stuck + 1 : 0;
    if (flow.stuck >= kStuckReviews && start_ != FlowStart::Never) flow.held_until = now + kHeld;
  }
  flow.backlog_before = flow.backlog_max;
  flow.backlog_max = backlog_bytes;
  flow.bytes = 0;
  flow.was_signalled = false;
  flow.reviewed = now;
}

}  // namespace wanbond
