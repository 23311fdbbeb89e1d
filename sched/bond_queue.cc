#include "sched/bond_queue.h"

#include <algorithm>
#include <utility>

#include "sched/units.h"

namespace wanbond {
namespace {

constexpr std::int32_t kDeficitStep = 1514;  // one full packet for each turn
// A flow may have this many times as many bytes as are free (Choudhury and Hahne 1998).
constexpr std::uint64_t kShare = 2;
// Flows looked at for one pull; the others get their turn with the next.
constexpr std::size_t kScanMax = 64;
constexpr std::uint64_t kShortBytes = 3000;
constexpr unsigned kSegmentBits = 16;

constexpr std::uint8_t bit(std::uint8_t path) noexcept {
  return static_cast<std::uint8_t>(1U << path);
}

}  // namespace

std::uint16_t BondQueue::pinned(std::uint8_t path, std::uint32_t key) noexcept {
  // Keys come in steps of a power of two, too: multiplied (Knuth 6.4), their upper bits differ.
  const std::uint32_t mixed = key * 0x9e37'79b1U;
  const std::size_t set = path * kPinnedMax + (mixed >> 16) % (kPinnedMax / kWays) * kWays;
  std::size_t place = set + (mixed >> 24) % kWays;
  bool is_free = false;
  for (std::size_t i = set; i < set + kWays; ++i) {
    if (keys_[i] == key) return static_cast<std::uint16_t>(kFlowsMax + i);
    if (is_free || flows_[kFlowsMax + i].head != kNone) continue;
    place = i;
    is_free = true;
  }
  if (is_free) keys_[place] = key;
  return static_cast<std::uint16_t>(kFlowsMax + place);
}

std::uint16_t BondQueue::make_node() noexcept {
  if (free_head_ != kNone) return std::exchange(free_head_, nodes_[free_head_].next);
  if (nodes_.size() == kRunsMax) return kNone;
  nodes_.emplace_back();
  return static_cast<std::uint16_t>(nodes_.size() - 1);
}

void BondQueue::free_node(std::uint16_t index) noexcept {
  nodes_[index].next = free_head_;
  free_head_ = index;
}

void BondQueue::link_after(Flow& flow, std::uint16_t after, std::uint16_t index) noexcept {
  Node& node = nodes_[index];
  node.previous = after;
  node.next = after == kNone ? flow.head : nodes_[after].next;
  (after == kNone ? flow.head : nodes_[after].next) = index;
  (node.next == kNone ? flow.tail : nodes_[node.next].previous) = index;
}

void BondQueue::unlink(Flow& flow, std::uint16_t index) noexcept {
  const Node& node = nodes_[index];
  for (Cursor& cursor : flow.cursors)
    if (cursor.node == index) cursor.node = node.next;
  (node.previous == kNone ? flow.head : nodes_[node.previous].next) = node.next;
  (node.next == kNone ? flow.tail : nodes_[node.next].previous) = node.previous;
  free_node(index);
}

bool BondQueue::push(Time now, std::uint16_t flow_id, const SegmentRun& run,
                     EcnCapable ecn) noexcept {
  Flow& flow = flows_[flow_id];
  const std::uint64_t free = limit_bytes_ > bytes_ ? limit_bytes_ - bytes_ : 0;
  const std::uint16_t index = flow.bytes <= kShare * free && free > 0 ? make_node() : kNone;
  if (index == kNone) {
    ++counters_.refused;
    return false;
  }
  if (flow.head == kNone) count_active(flow_id, 1);
  Node& node = nodes_[index];
  node.run = run;
  node.since = now;
  node.ecn = ecn;
  node.order = pushed_++ << kSegmentBits | run.first;
  link_after(flow, flow.tail, index);
  for (Cursor& cursor : flow.cursors)
    if (cursor.node == kNone) cursor.node = index;
  flow.bytes += run.bytes();
  bytes_ += run.bytes();
  if (flow.list == List::None) {
    flow.deficit = kDeficitStep;
    enlist(flow_id, List::New);
  }
  return true;
}

/// The first segment with enough untaken bytes of its flow ahead of it. The cursor walks from where
/// it stood, so over the life of a packet this costs one step for each path.
std::optional<BondQueue::Place> BondQueue::seek(std::uint16_t id, const PathOffer& offer) noexcept {
  Flow& flow = flows_[id];
  const bool is_level = (level_of(id).paths & bit(offer.path)) != 0;
  if (offer.ahead_bytes <= 0 || is_level) return Place{flow.head, 0};
  const auto ahead = static_cast<std::uint64_t>(offer.ahead_bytes / static_cast<double>(active_)) +
                     static_cast<std::uint64_t>(kFullBytes);
  if (flow.bytes <= ahead) return {};
  Cursor& cursor = flow.cursors[offer.path];
  while (cursor.ahead_bytes > ahead) {
    cursor.node = cursor.node == kNone ? flow.tail : nodes_[cursor.node].previous;
    cursor.ahead_bytes -= nodes_[cursor.node].run.bytes();
  }
  while (cursor.node != kNone) {
    const SegmentRun& run = nodes_[cursor.node].run;
    const std::uint64_t missing = ahead > cursor.ahead_bytes ? ahead - cursor.ahead_bytes : 0;
    const std::uint64_t offset = (missing + run.segment_bytes - 1) / run.segment_bytes;
    if (offset < run.count) return Place{cursor.node, static_cast<std::uint16_t>(offset)};
    cursor.ahead_bytes += run.bytes();
    cursor.node = nodes_[cursor.node].next;
  }
  return {};
}

std::optional<TakenRun> BondQueue::pull(Time now, std::span<const PathOffer> offers) noexcept {
  std::int32_t step = kDeficitStep;  // so that one step pays for whatever was taken
  BondPathMask offered = 0;
  for (const PathOffer& offer : offers) {
    step = std::max(step, static_cast<std::int32_t>(offer.quantum));
    offered |= bit(offer.path);
  }
  std::size_t misses = 0;
  for (const List list : {List::New, List::Old}) {
    for (std::uint16_t id = list_of(list).head; id != kNone && misses < kScanMax;) {
      if (flows_[id].head == kNone) {
        id = retire(id);
        continue;
      }
      if (path_of(id) && (allowed(id) & offered) == 0) {  // in nobody's way
        id = flows_[id].next;
        continue;
      }
      if (flows_[id].deficit <= 0) {
        id = end_turn(id, step);
        continue;
      }
      if (const auto taken = pull_from(now, id, offers)) return taken;
      ++misses;
      id = flows_[id].next;
    }
  }
  return {};
}

void BondQueue::count_active(std::uint16_t id, int change) noexcept {
  active_ += static_cast<std::size_t>(change);
  if (path_of(id)) active_pinned_ += static_cast<std::size_t>(change);
}

/// An empty flow is old before it is forgotten (RFC 8290 4.2): else those whose windows are short
/// would be new with each packet, and starve the rest. Returns whose turn it is, as end_turn().
std::uint16_t BondQueue::retire(std::uint16_t id) noexcept {
  const List from = flows_[id].list;
  const std::uint16_t next = flows_[id].next;
  delist(id);
  flows_[id].list = List::None;
  if (from == List::New) enlist(id, List::Old);
  return next;
}

/// To the end of the old flows with new credit. Returns whose turn it is in the list it stood in.
std::uint16_t BondQueue::end_turn(std::uint16_t id, std::int32_t step) noexcept {
  const List from = flows_[id].list;
  const std::uint16_t next = flows_[id].next;
  const bool is_manifold = active_pinned_ > 0 && !path_of(id);
  flows_[id].deficit += is_manifold ? step * static_cast<std::int32_t>(path_count_) : step;
  delist(id);
  enlist(id, List::Old);
  return from == List::Old && next == kNone ? id : next;
}

std::optional<TakenRun> BondQueue::pull_from(Time now, std::uint16_t id,
                                             std::span<const PathOffer> offers) noexcept {
  for (const PathOffer& offer : offers) {
    if ((allowed(id) & bit(offer.path)) == 0) continue;
    if (const auto place = seek(id, offer)) return take(now, id, *place, offer);
  }
  return {};
}

TakenRun BondQueue::take(Time now, std::uint16_t id, Place place, const PathOffer& offer) noexcept {
  Flow& flow = flows_[id];
  const Node node = nodes_[place.node];
  TakenRun taken;
  taken.path = offer.path;
  taken.flow = id;
  taken.sojourn = now - node.since;
  taken.verdict = judge(now, id, node, offer);
  const std::uint32_t fit = std::max<std::uint32_t>(1, offer.quantum / node.run.segment_bytes);
  const auto left = static_cast<std::uint16_t>(node.run.count - place.offset);
  const auto count = taken.verdict == QueueVerdict::Void
                         ? std::uint16_t{1}
                         : static_cast<std::uint16_t>(std::min<std::uint32_t>(fit, left));
  taken.run = cut(flow, place, count);
  const std::uint32_t bytes = taken.run.bytes();
  flow.bytes -= bytes;
  bytes_ -= bytes;
  flow.deficit -= static_cast<std::int32_t>(bytes);
  if (flow.head != kNone) return taken;
  for (Cursor& cursor : flow.cursors) cursor = {};
  count_active(id, -1);
  return taken;
}

/// Takes `count` segments out of a node; what lies before and behind them stays.
SegmentRun BondQueue::cut(Flow& flow, Place place, std::uint16_t count) noexcept {
  const SegmentRun whole = nodes_[place.node].run;
  const std::uint16_t spare = make_node();
  if (spare == kNone) place.offset = 0;  // no node for what would stay behind it: a bit early then
  SegmentRun run = whole;
  run.first = static_cast<std::uint16_t>(whole.first + place.offset);
  run.count = count;
  const bool has_end = place.offset + count == whole.count;
  if (!has_end) run.last_bytes = whole.segment_bytes;
  const std::uint64_t order = nodes_[place.node].order + place.offset;
  for (Cursor& cursor : flow.cursors)
    if (cursor.node == kNone || nodes_[cursor.node].order > order)
      cursor.ahead_bytes -= run.bytes();
  const auto rest = static_cast<std::uint16_t>(whole.count - place.offset - count);
  Node& node = nodes_[place.node];
  if (place.offset == 0 && rest == 0) {
    unlink(flow, place.node);
  } else if (place.offset == 0) {
    node.run.first = static_cast<std::uint16_t>(whole.first + count);
    node.run.count = rest;
    node.order += count;
  } else {
    node.run.count = place.offset;
    node.run.last_bytes = whole.segment_bytes;
  }
  if (place.offset == 0 || rest == 0) {
    if (spare != kNone) free_node(spare);
    return run;
  }
  nodes_[spare] = node;
  nodes_[spare].run = whole;
  nodes_[spare].run.first = static_cast<std::uint16_t>(whole.first + place.offset + count);
  nodes_[spare].run.count = rest;
  nodes_[spare].order = order + count;
  link_after(flow, place.node, spare);
  return run;
}

QueueVerdict BondQueue::judge(Time now, std::uint16_t id, const Node& node,
                              const PathOffer& offer) noexcept {
  Flow& flow = flows_[id];
  const LevelFlow& level = level_of(id);
  const bool is_level = level.paths != 0;
  const Duration allowance =
      is_level ? std::min(offer.allowance, level.allowance_max) : offer.allowance;
  const Duration excess = now - node.since - allowance;
  const CodelSettings& settings = is_level ? level.codel : codel_;
  if (!flow.codel.should_drop(now, excess, flow.bytes <= kShortBytes, settings))
    return QueueVerdict::Send;
  if (node.ecn == EcnCapable::Yes) {
    ++counters_.marked;
    return QueueVerdict::Mark;
  }
  ++counters_.voided;
  return QueueVerdict::Void;
}

void BondQueue::enlist(std::uint16_t id, List list) noexcept {
  FlowList& flows = list_of(list);
  Flow& flow = flows_[id];
  flow.list = list;
  flow.next = kNone;
  flow.previous = flows.tail;
  (flows.tail == kNone ? flows.head : flows_[flows.tail].next) = id;
  flows.tail = id;
}

void BondQueue::delist(std::uint16_t id) noexcept {
  Flow& flow = flows_[id];
  FlowList& flows = list_of(flow.list);
  (flow.previous == kNone ? flows.head : flows_[flow.previous].next) = flow.next;
  (flow.next == kNone ? flows.tail : flows_[flow.next].previous) = flow.previous;
  flow.next = flow.previous = kNone;
}

}  // namespace wanbond
