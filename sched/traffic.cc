#include "sched/traffic.h"

#include <algorithm>

#include "base/sequence.h"

namespace wanbond {
namespace {

constexpr Duration kWindow = 1s;
constexpr std::uint32_t kNumbersAnew = 1U << 24;
constexpr std::uint32_t kLossPacketsMin = 20;  // fewer say nothing: heartbeats of an idle path
constexpr std::uint32_t kFade = 4;             // windows that lasting loss remembers
constexpr std::uint64_t kHeavyLossShare = 5;   // more than one of so many
constexpr Duration kStampUnitTime{std::int64_t{1} << 15};

}  // namespace

void ReceiveAccount::on_packet(std::uint8_t epoch, std::uint32_t number,
                               std::uint32_t bytes) noexcept {
  if (epoch != epoch_ || packets_ == 0) {
    epoch_ = epoch;
    largest_ = number;
    packets_ = bytes_ = 0;
    late_ = 0;
  }
  ++packets_;
  bytes_ += bytes;
  if (number < largest_) ++late_;
  largest_ = std::max(largest_, number);
}

void ReceiveAccount::on_stamp(Time now, std::uint16_t stamp, std::uint16_t arrival) noexcept {
  const auto delay = static_cast<std::uint16_t>(arrival - stamp);
  if (!stamped_) {
    delay_stamp_ = last_delay_ = delay;
    stamped_ = true;
  }
  const std::int32_t step = stamp_distance(delay, last_delay_);
  // One that was overtaken is late, but the path was not silent.
  const bool is_overtaken = stamp_distance(stamp, newest_stamp_) < 0;
  const Duration jump = kStampUnitTime * (is_overtaken ? 0 : step);
  if (now != newest_at_) jumps_.on_jump(now, now < excused_until_ ? jump - excuse_ : jump);
  const Duration deviation = kStampUnitTime * (step < 0 ? -step : step);
  jitter_ += (deviation - jitter_) / 16;
  delay_stamp_ = static_cast<std::uint16_t>(delay_stamp_ + stamp_distance(delay, delay_stamp_) / 8);
  last_delay_ = delay;
  newest_stamp_ = stamp;
  newest_arrival_ = arrival;
  newest_at_ = now;
}

void SendAccount::on_report(Time now, const Report& report) noexcept {
  // Within one epoch both counts only grow; a report that overtook an older one, or the first of a
  // new epoch, shows by going back. Either way the next window starts here.
  const bool went_back = report.packets < base_.packets || report.largest < base_.largest;
  // Far below: the numbers have begun anew since.
  if (!has_base_ && report.largest < base_from_ && base_from_ - report.largest < kNumbersAnew)
    return;
  if (!has_base_ || went_back) {
    has_base_ = true;
    base_ = report;
    base_at_ = now;
    return;
  }
  const Duration span = now - base_at_;
  if (span < kWindow) return;
  const std::uint32_t sent = report.largest - base_.largest;
  const std::uint32_t arrived = std::min(report.packets - base_.packets, sent);
  packets_per_second_ = static_cast<std::uint32_t>(std::uint64_t{sent} * 1'000 /
                                                   static_cast<std::uint64_t>(span / 1ms));
  if (queued_windows_ == 0)
    note_losses(sent, sent - arrived);
  else
    --queued_windows_;
  if (sent >= kLossPacketsMin)
    loss_ppm_ = static_cast<std::uint32_t>(std::uint64_t{sent - arrived} * 1'000'000 / sent);
  const auto bits = std::uint64_t{report.bytes - base_.bytes} * 8;
  rate_ = BitRate{bits * 1'000 / static_cast<std::uint64_t>(span / 1ms)};
  base_ = report;
  base_at_ = now;
}

void SendAccount::note_losses(std::uint32_t sent, std::uint32_t lost) noexcept {
  if (sent == 0) return;
  // Each second counts alike: a burst that lost much says little of the next ones.
  lasting_loss_ppm_ -= lasting_loss_ppm_ / kFade;
  lasting_loss_ppm_ += static_cast<std::uint32_t>(std::uint64_t{lost} * 1'000'000 / sent) / kFade;
  if (std::uint64_t{lost} * kHeavyLossShare <= sent)
    heavy_since_ = kNever;
  else if (heavy_since_ == kNever)
    heavy_since_ = base_at_;
}

}  // namespace wanbond
