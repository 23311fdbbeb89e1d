#include "sched/bulk_watch.h"

namespace wanbond {
namespace {

constexpr Duration kReview = 1s, kSilence = 2s;
constexpr std::uint8_t kStreak = 4;
constexpr double kFull = 0.75, kLow = 0.5;

}  // namespace

BulkStage BulkWatch::on_packet(Time now, std::uint32_t bytes, BytesPerSecond best_path) noexcept {
  const Duration counted = now - since_;
  if (best_path <= 0 || counted >= kSilence) {
    *this = BulkWatch{};
    since_ = now;
  } else if (counted >= kReview) {
    review(bytes_ / seconds(counted), best_path);
    since_ = now;
    bytes_ = 0;
  }
  bytes_ += bytes;
  return stage_;
}

void BulkWatch::review(double rate, BytesPerSecond best_path) noexcept {
  if (stage_ == BulkStage::Bulk) {
    streak_ = static_cast<std::uint8_t>(rate < kLow * best_path ? streak_ + 1 : 0);
    if (streak_ < kStreak) return;
    stage_ = BulkStage::Numbered;
    streak_ = 0;
    return;
  }
  streak_ = static_cast<std::uint8_t>(rate >= kFull * best_path ? streak_ + 1 : 0);
  stage_ = streak_ == 0 ? BulkStage::Plain : BulkStage::Numbered;
  if (streak_ < kStreak) return;
  stage_ = BulkStage::Bulk;
  streak_ = 0;
}

}  // namespace wanbond
