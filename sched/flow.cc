#include "sched/flow.h"

namespace wanbond {
namespace {

// A stream may be given to another flow when what was sent in it has arrived or is lost.
constexpr Duration kReuseAfter = 2s;
// A living TCP connection may be silent for long; longer than most NATs remember.
constexpr Duration kForgetAfter = 5min;
// Fewer packets than this, and it is not yet worth protecting: a SYN flood has one each.
constexpr std::uint32_t kShortUses = 8;
constexpr Duration kCountedAs = 60s;

}  // namespace

FlowTable::Set& FlowTable::set_of(std::uint64_t digest) noexcept {
  const std::size_t set = (digest >> 32) % kSets;
  std::unique_ptr<Chunk>& chunk = chunks_[set / kSetsPerChunk];
  if (chunk == nullptr) {
    chunk = std::make_unique<Chunk>();
    for (std::size_t i = 0; i < kSetsPerChunk * kWays; ++i)
      (*chunk)[i / kWays].flows[i % kWays].slot_ =
          static_cast<std::uint16_t>((set - set % kSetsPerChunk) * kWays + i);
  }
  return (*chunk)[set % kSetsPerChunk];
}

bool FlowTable::may_replace(Time now, const Flow& flow) noexcept {
  if (flow.uses_ == 0) return true;
  const Duration idle = now - flow.used_;
  return idle >= (flow.is_closed_ || flow.uses_ < kShortUses ? kReuseAfter : kForgetAfter);
}

Flow* FlowTable::open(Time now, Set& set, std::uint64_t digest, FlowKind kind) noexcept {
  std::size_t best = kWays;
  for (std::size_t i = 0; i < kWays; ++i) {
    const Flow& flow = set.flows[i];
    if (may_replace(now, flow) && (best == kWays || flow.used_ < set.flows[best].used_)) best = i;
  }
  if (best == kWays) return nullptr;
  set.digests[best] = digest;
  Flow& flow = set.flows[best];
  flow.kind_ = kind;
  flow.mptcp_ = {};
  flow.placement_ = {};
  flow.bulk_ = {};
  flow.uses_ = 0;
  flow.is_closed_ = false;
  flow.is_new_.fill(true);
  return &flow;
}

Flow* FlowTable::find_in(Set& set, std::uint64_t digest) noexcept {
  for (std::size_t i = 0; i < kWays; ++i)
    if (set.digests[i] == digest && set.flows[i].uses_ > 0) return &set.flows[i];
  return nullptr;
}

Flow* FlowTable::find(std::uint64_t digest) noexcept { return find_in(set_of(digest), digest); }

Flow* FlowTable::use(Time now, std::uint64_t digest, FlowKind kind) noexcept {
  Set& set = set_of(digest);
  Flow* flow = find_in(set, digest);
  if (flow == nullptr) flow = open(now, set, digest, kind);
  if (flow == nullptr) return nullptr;
  flow->gap_ = now - flow->used_;
  flow->used_ = now;
  ++flow->uses_;
  if (flow->uses_ == 0) flow->uses_ = kShortUses;  // after 2^32 it is still no short flow
  return flow;
}

void FlowTable::on_acknowledged(std::uint16_t stream) noexcept {
  if (stream == 0 || stream > kStreamsMax) return;
  const std::size_t slot = (stream - std::size_t{1}) / kFlowTrackCount;
  const std::unique_ptr<Chunk>& chunk = chunks_[slot / kWays / kSetsPerChunk];
  if (chunk == nullptr) return;
  Flow& flow = (*chunk)[slot / kWays % kSetsPerChunk].flows[slot % kWays];
  flow.is_new_[(stream - std::size_t{1}) % kFlowTrackCount] = false;
}

void FlowTable::on_peer_restarted() noexcept {
  for (const auto& chunk : chunks_) {
    if (chunk == nullptr) continue;
    for (Set& set : *chunk)
      for (Flow& flow : set.flows) flow.is_new_.fill(true);
  }
}

FlowTable::Counts FlowTable::count(Time now) const noexcept {
  Counts counts{};
  for (std::size_t i = 0; i < kFlowsMax; ++i) {
    const auto& chunk = chunks_[i / kWays / kSetsPerChunk];
    if (chunk == nullptr) continue;
    const Flow& flow = (*chunk)[i / kWays % kSetsPerChunk].flows[i % kWays];
    if (flow.uses_ > 0 && !flow.is_closed_ && now - flow.used_ <= kCountedAs)
      ++counts[static_cast<std::size_t>(flow.kind_)];
  }
  return counts;
}

}  // namespace wanbond
