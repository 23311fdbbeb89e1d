#include "sched/rtt.h"

namespace wanbond {
namespace {

constexpr Duration kBucketLight = 10s;
constexpr Duration kBucketHeavy = 60s;

}  // namespace

void RttEstimator::on_sample(Time now, Duration rtt, PathLoad load) noexcept {
  if (rtt <= Duration::zero()) return;
  if (!has_sample()) {
    srtt_ = rtt;
    rttvar_ = rtt / 2;
    bucket_start_ = now;
  } else {
    const Duration deviation = srtt_ > rtt ? srtt_ - rtt : rtt - srtt_;
    rttvar_ += (deviation - rttvar_) / 4;
    srtt_ += (rtt - srtt_) / 8;
  }
  if (now - bucket_start_ >= (load == PathLoad::Heavy ? kBucketHeavy : kBucketLight)) {
    previous_ = current_;
    current_ = Duration::max();
    bucket_start_ = now;
  }
  current_ = std::min(current_, rtt);
}

}  // namespace wanbond
