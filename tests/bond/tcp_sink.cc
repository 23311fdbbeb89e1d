#include "tests/bond/tcp_sink.h"

#include <algorithm>
#include <iterator>

namespace wanbond::bond {
namespace {

constexpr Duration kAckDelay = 40ms;
constexpr std::uint32_t kQuickSegments = 16;
constexpr Duration kBin = 10ms;

}  // namespace

TcpSink::TcpSink(sim::World& world, std::uint16_t flow, Output output)
    : world_(world), flow_(flow), output_(std::move(output)), last_progress_(world.now()) {}

void TcpSink::watch_gaps() noexcept {
  gap_max_ = {};
  last_progress_ = world_.now();
}

void TcpSink::on_data(const InnerPacket& packet) {
  saw_ce_ = saw_ce_ || packet.is_ce;
  const std::uint32_t before = next_;
  const bool had_hole = !islands_.empty();
  insert(packet.segment);
  if (next_ > before) {
    const auto bin = static_cast<std::size_t>((world_.now() - Time{1s}) / kBin);
    if (bin >= bins_.size()) bins_.resize(bin + 1);
    bins_[bin] += next_ - before;
    gap_max_ = std::max(gap_max_, world_.now() - last_progress_);
    last_progress_ = world_.now();
  }
  ++waiting_;
  if (had_hole || !islands_.empty() || has_duplicate_ || saw_ce_ || waiting_ >= 2 ||
      next_ < kQuickSegments)
    acknowledge();
  else
    acknowledge_later();
}

void TcpSink::insert(std::uint32_t segment) {
  if (segment == next_) {
    ++next_;
    if (!islands_.empty() && islands_.begin()->first == next_) {
      next_ = islands_.begin()->second;
      islands_.erase(islands_.begin());
    }
    return;
  }
  auto after = islands_.upper_bound(segment);
  const auto before = after == islands_.begin() ? islands_.end() : std::prev(after);
  if (segment < next_ || (before != islands_.end() && segment < before->second)) {
    has_duplicate_ = true;
    return;
  }
  std::uint32_t first = segment, end = segment + 1;
  if (before != islands_.end() && before->second == segment) {
    first = before->first;
    islands_.erase(before);
  }
  if (after != islands_.end() && after->first == end) {
    end = after->second;
    islands_.erase(after);
  }
  islands_[first] = end;
  if (first != newest_island_) second_island_ = newest_island_;
  newest_island_ = first;
}

void TcpSink::acknowledge() {
  InnerPacket packet;
  packet.flow = flow_;
  packet.kind = InnerKind::Ack;
  packet.bytes = 52;
  packet.sent = world_.now();
  AckInfo& ack = packet.ack;
  ack.cumulative = next_;
  ack.has_duplicate = has_duplicate_;
  ack.has_echo = saw_ce_;
  const auto add = [&](const auto& island) {
    for (unsigned i = 0; i < ack.block_count; ++i)
      if (ack.blocks[i].first == island.first) return;
    if (ack.block_count < ack.blocks.size())
      ack.blocks[ack.block_count++] = {island.first, island.second};
  };
  for (const std::uint32_t key : {newest_island_, second_island_}) {
    const auto found = islands_.find(key);
    if (found != islands_.end()) add(*found);
  }
  if (!islands_.empty()) add(*islands_.rbegin());
  has_duplicate_ = saw_ce_ = false;
  waiting_ = 0;
  ++delay_number_;
  output_(packet);
}

void TcpSink::acknowledge_later() {
  world_.after(kAckDelay, [this, number = delay_number_] {
    if (number == delay_number_) acknowledge();
  });
}

}  // namespace wanbond::bond
