#include "sched/train.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kSilence = 150ms;
// A burst of arrivals in one batch has no gaps to speak of.
constexpr Duration kGapMin = 1us;

}  // namespace

BytesPerSecond TrainReport::rate() const noexcept {
  if (packets < 2) return 0;
  return bytes / seconds(std::max({span / (packets - 1), gap_median, kGapMin}));
}

BytesPerSecond TrainReport::robust_rate() const noexcept {
  if (packets < 2) return 0;
  const Duration mean = span / (packets - 1);
  return bytes / seconds(std::max({gap_median, mean / 3, kGapMin}));
}

void TrainMeter::on_packet(Duration at, std::uint16_t bytes) noexcept {
  if (newest_.packets == 0 || at - last_ > kSilence) {
    if (++newest_.number == 0) newest_.number = 1;
    newest_.packets = 0;
    first_ = at;
  }
  if (newest_.packets < kPacketsMax) {
    if (newest_.packets > 0) gaps_[newest_.packets - 1U] = at - last_;
    ++newest_.packets;
  }
  newest_.bytes = bytes;
  last_ = at;
}

TrainReport TrainMeter::report() const noexcept {
  TrainReport report = newest_;
  if (report.packets < 2) return report;
  report.span = last_ - first_;
  std::array<Duration, kPacketsMax> gaps = gaps_;
  const auto middle = gaps.begin() + (report.packets - 1) / 2;
  std::nth_element(gaps.begin(), middle, gaps.begin() + (report.packets - 1));
  report.gap_median = *middle;
  return report;
}

}  // namespace wanbond
