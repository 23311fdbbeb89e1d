#include "sched/flow_mode.h"

namespace wanbond {
namespace {

constexpr Duration kForget = 30s;  // a silent flow begins anew
constexpr std::uint32_t kBulkPackets = 50;
constexpr Duration kBulkIdle = 300ms;

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

bool FlowModes::set_hold(std::uint16_t flow, FlowHold hold) noexcept {
  if (flows_[flow].hold == hold) return false;
  flows_[flow].hold = hold;
  return true;
}

bool FlowModes::on_packet(Time now, std::uint16_t id) noexcept {
  Flow& flow = flows_[id];
  const bool begins = flow.began == kNever || now - flow.used > kForget;
  if (begins) flow = Flow{.began = now, .hold = flow.hold};
  flow.used = now;
  if (is_held(id) && (flow.packets & 63U) == 0) note_recent(now, id);
  const bool begins_alone = begins && is_held(id) && is_alone(now, id);
  if (++flow.packets > kBulkPackets) {
    bulk_flow_ = id;
    bulk_at_ = now;
  }
  return begins_alone;
}

}  // namespace wanbond
