#include "sched/bulk_watch.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kReview = 1s, kSilence = 2s;
constexpr std::uint8_t kStreak = 4;
constexpr double kFull = 0.75, kLow = 0.5, kBusy = 0.5;
// A voice call is never bulk, whatever little its path is believed to carry.
constexpr BytesPerSecond kRateMin = 125e3;

}  // namespace

BulkStage BulkWatch::on_packet(Time now, std::uint32_t bytes, const BulkPath& path) noexcept {
  const Duration counted = now - since_;
  if (path.capacity <= 0 || counted >= kSilence) {
    *this = BulkWatch{};
    since_ = now;
  } else if (counted >= kReview) {
    review(counted, path.capacity);
    since_ = now;
    bytes_ = busy_bytes_ = 0;
  }
  bytes_ += bytes;
  if (path.is_busy) busy_bytes_ += bytes;
  return stage_;
}

void BulkWatch::review(Duration counted, BytesPerSecond capacity) noexcept {
  const double rate = bytes_ / seconds(counted);
  if (stage_ == BulkStage::Bulk) {
    streak_ = static_cast<std::uint8_t>(rate < kLow * capacity ? streak_ + 1 : 0);
    if (streak_ < kStreak) return;
    stage_ = BulkStage::Numbered;
    streak_ = 0;
    return;
  }
  const bool is_full =
      rate >= std::max(kFull * capacity, kRateMin) && busy_bytes_ >= kBusy * bytes_;
  streak_ = static_cast<std::uint8_t>(is_full ? streak_ + 1 : 0);
  stage_ = streak_ == 0 ? BulkStage::Plain : BulkStage::Numbered;
  if (streak_ < kStreak) return;
  stage_ = BulkStage::Bulk;
  streak_ = 0;
}

}  // namespace wanbond
