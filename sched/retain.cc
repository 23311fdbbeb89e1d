#include "sched/retain.h"

#include <utility>

namespace wanbond {
namespace {

// Each keep() frees at most so many: the work of one packet stays bounded.
constexpr int kGiveUpMax = 16;

}  // namespace

void RetainedPackets::grow() noexcept {
  std::vector<Kept> larger(kept_.empty() ? kCountMin : kept_.size() * 2);
  for (std::uint32_t n = base_; n != next_; ++n) larger[n & (larger.size() - 1)] = std::move(at(n));
  kept_ = std::move(larger);
}

void RetainedPackets::keep(Time now, Packet packet, std::uint32_t segments,
                           StreamPlace place) noexcept {
  for (int i = 0; i < kGiveUpMax && count_ > 0 && packet.is_scarce(); ++i) give_up_oldest();
  if (next_ - base_ == kept_.size()) {
    if (kept_.size() < kCountMax)
      grow();
    else
      give_up_oldest();
  }
  at(next_).place = place;
  if (packet.is_scarce()) {
    ++given_up_;
  } else {
    Kept& kept = at(next_);
    kept.packet = std::move(packet);
    kept.since = now;
    kept.segments = segments;
    ++count_;
  }
  if (++next_ < SentSegment::kKeptMin) {  // 2^32 packets later: the first numbers mean others
    while (count_ > 0) give_up_oldest();
    base_ = next_ = SentSegment::kKeptMin;
  }
  advance();
}

const Packet* RetainedPackets::find(std::uint32_t number) const noexcept {
  if (number - base_ >= next_ - base_) return nullptr;
  const Kept& kept = at(number);
  return kept.packet.valid() ? &kept.packet : nullptr;
}

void RetainedPackets::drop_segment(std::uint32_t number) noexcept {
  Kept& kept = at(number);
  if (!kept.packet.valid() || --kept.segments > 0) return;
  give_back(kept);
  advance();
}

void RetainedPackets::give_back(Kept& kept) noexcept {
  kept.packet = Packet();
  --count_;
}

void RetainedPackets::advance() noexcept {
  while (base_ != next_ && !at(base_).packet.valid()) ++base_;
}

void RetainedPackets::give_up_oldest() noexcept {
  give_back(at(base_));
  ++given_up_;
  advance();
}

}  // namespace wanbond
