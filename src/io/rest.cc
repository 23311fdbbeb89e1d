#include "io/rest.h"

#include <algorithm>
#include <utility>

namespace wanbond {
namespace {

constexpr std::uint32_t kScale = 16;
/// The new turn counts 1/8 in the averages, which are believed after a dozen.
constexpr std::uint32_t kWeight = 8;
constexpr int kTurnsMin = 12;
/// A pause: what was before says nothing.
constexpr Duration kForgetAfter = 4 * Rest::kLongest;
/// Less than this in kLongest is not worth a rest.
constexpr std::uint32_t kExpectedMin = 8;
/// A rest that brings less was in vain; after so many in a row rests are given up for a while.
constexpr std::size_t kBroughtMin = 3;
constexpr int kPoorMax = 2;
constexpr Duration kPauseMin = 20ms;
constexpr Duration kPauseMax = 1s;
/// A turn takes 64 at most: after so many more may be waiting.
constexpr std::size_t kPlenty = 60;
/// Above this average they are trains and super packets, which cost by the byte.
constexpr std::uint64_t kSmallBytes = 2500;

/// `average` (times kScale, for kLongest) with `came` in `gap` taken in.
template <class T>
T smooth(T average, std::size_t came, Duration gap) noexcept {
  const auto in_rest =
      static_cast<T>(came * kScale * (Rest::kLongest / 1us) / static_cast<std::size_t>(gap / 1us));
  return (average * (kWeight - 1) + in_rest) / kWeight;
}

}  // namespace

void Rest::on_turn(Time now, const TurnLoad& load) noexcept {
  if (std::exchange(until_, kNone) != kNone) judge(now, load.count);
  if (load.count == 0) return;
  const Duration gap = std::max<Duration>(now - last_, 1us);
  last_ = now;
  if (gap > kForgetAfter) {
    count_ = 0;
    bytes_ = 0;
    turns_ = 0;
  }
  turns_ = std::min(turns_ + 1, kTurnsMin);
  count_ = smooth(count_, load.count, gap);
  bytes_ = smooth(bytes_, load.bytes, gap);
  const bool is_small = bytes_ < count_ * kSmallBytes;
  const bool is_fast = turns_ == kTurnsMin && count_ >= kExpectedMin * kScale;
  if (!is_small || !is_fast || load.count >= kPlenty || now < not_before_) return;
  until_ = now + std::min(kLongest, kLongest * (kAimed * kScale) / count_);
}

void Rest::judge(Time now, std::size_t count) noexcept {
  poor_ = count < kBroughtMin ? poor_ + 1 : 0;
  if (poor_ < kPoorMax) return;
  poor_ = 0;
  const bool again = now < not_before_ + 2 * pause_;
  pause_ = again ? std::min(2 * pause_, kPauseMax) : kPauseMin;
  not_before_ = now + pause_;
}

}  // namespace wanbond
