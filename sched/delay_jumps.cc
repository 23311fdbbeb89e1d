#include "sched/delay_jumps.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr std::uint32_t kTailShare = 100;
// A path of few seconds may have met that many pauses of a machine or one burst of a young flow.
constexpr std::uint32_t kSparedLeast = 3;

}  // namespace

void DelayJumps::close_slot(Time now) noexcept {
  if (slot_end_ != Time{}) {
    const auto bin = std::min<std::size_t>(static_cast<std::size_t>(largest_ / kBin), kBins - 1);
    ++current_[bin];  // 1500 slots in a bucket
    tail_ = find_tail();
  }
  if (now >= bucket_end_) {
    previous_ = now < bucket_end_ + kBucket ? current_ : Histogram{};
    current_ = {};
    bucket_end_ = now + kBucket;
  }
  slot_end_ = now + kSlot;
  largest_ = {};
}

Duration DelayJumps::find_tail() const noexcept {
  std::uint32_t total = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) total += current_[bin] + previous_[bin];
  std::uint32_t spared = std::max(total / kTailShare, kSparedLeast);
  for (std::size_t bin = kBins; bin-- > 1;) {
    const auto count = std::uint32_t{current_[bin]} + previous_[bin];
    if (count > spared) return kBin * (static_cast<std::int64_t>(bin) + 1);
    spared -= count;
  }
  return {};
}

}  // namespace wanbond
