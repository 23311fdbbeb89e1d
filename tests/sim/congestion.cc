#include "tests/sim/congestion.h"

#include <algorithm>
#include <cmath>

namespace wanbond::sim {
namespace {

constexpr double kC = 0.4;               // RFC 9438 5
constexpr double kBeta = 0.7;            // RFC 9438 4.6
constexpr double kInitialSegments = 10;  // RFC 6928
constexpr double kUnlimited = 1e15;

double seconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-9; }

}  // namespace

Cubic::Cubic(std::uint32_t mss_bytes) noexcept
    : mss_(mss_bytes), window_(kInitialSegments * mss_), threshold_(kUnlimited) {}

void Cubic::on_ack(Time now, std::uint64_t acked_bytes, Duration srtt) noexcept {
  const auto acked = static_cast<double>(acked_bytes);
  if (window_ < threshold_) {
    window_ += acked;
    return;
  }
  if (epoch_ == kNever) {
    epoch_ = now;
    window_max_ = std::max(window_max_, window_);
    reno_window_ = window_;
    plateau_at_s_ = std::cbrt((window_max_ - window_) / mss_ / kC);
  }
  const double t = seconds(now - epoch_ + srtt) - plateau_at_s_;
  const double target = std::clamp(window_max_ + kC * t * t * t * mss_, window_, 1.5 * window_);
  reno_window_ += 3 * (1 - kBeta) / (1 + kBeta) * mss_ * acked / window_;
  window_ += (target - window_) * acked / window_;
  window_ = std::max(window_, reno_window_);
}

void Cubic::on_loss() noexcept {
  epoch_ = kNever;
  // Fast convergence (RFC 9438 4.7): leave room when the last maximum was not reached.
  window_max_ = window_ < window_max_ ? window_ * (1 + kBeta) / 2 : window_;
  window_ = std::max(window_ * kBeta, 2 * mss_);
  threshold_ = window_;
}

void Cubic::on_timeout() noexcept {
  on_loss();
  window_ = mss_;
}

}  // namespace wanbond::sim
