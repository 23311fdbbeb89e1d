#include "sched/path_fill.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kWindow = 1s;
// A capacity that nothing has confirmed for so long may be that of a fade.
constexpr Duration kForgetAfter = 60s;
// No radio link that is any use loses so much by chance.
constexpr std::uint32_t kLossPpm = 100'000;
constexpr std::uint64_t kFullPercent = 95, kCalmPercent = 75, kMorePercent = 105;

constexpr std::uint64_t percent(BitRate rate, std::uint64_t share) noexcept {
  return rate.bits_per_second / 100 * share;
}

}  // namespace

void PathFill::update(Time now, const FillSample& sample) noexcept {
  if (since_ == kNever || sample.sent_bytes < base_bytes_) {  // another path has its id now
    *this = PathFill();
    since_ = calm_since_ = now;
    base_bytes_ = sample.sent_bytes;
  } else if (had_queue_) {
    queued_ += now - sampled_;
  }
  sampled_ = now;
  had_queue_ = sample.has_queue;
  const Duration span = now - since_;
  if (span < kWindow) return;
  const auto bits = (sample.sent_bytes - base_bytes_) * 8;
  rate_ = BitRate{bits * 1'000 / static_cast<std::uint64_t>(span / 1ms)};
  judge(now, 2 * queued_ >= span, sample);
  since_ = now;
  base_bytes_ = sample.sent_bytes;
  queued_ = {};
}

void PathFill::judge(Time now, bool stood, const FillSample& sample) noexcept {
  // Signs outlast the traffic that they are of: they count while it goes on.
  const std::uint64_t rate = rate_.bits_per_second;
  const bool goes_on = rate > 0 && 2 * rate >= sample.delivered.bits_per_second;
  const bool overruns = goes_on && (stood || sample.loss_ppm > kLossPpm);
  if (overruns) {
    const bool is_told = sample.delivered.bits_per_second > 0;
    capacity_ = {is_told ? std::min(rate, sample.delivered.bits_per_second) : rate};
    overrun_ = now;
  } else if (now - overrun_ >= kForgetAfter || rate > percent(capacity_, kMorePercent)) {
    capacity_ = {};
  }
  const bool is_known = capacity_.bits_per_second > 0;
  const bool is_full = overruns || (is_known && rate > percent(capacity_, kFullPercent));
  const bool is_calm = !is_full && (!is_known || rate < percent(capacity_, kCalmPercent));
  full_since_ = is_full ? std::min(full_since_, now) : kNever;
  calm_since_ = is_calm ? std::min(calm_since_, since_) : kNever;
}

}  // namespace wanbond
