#include "core/validation.h"

#include <algorithm>
#include <utility>

#include "proto/limits.h"

namespace wanbond {

void Validation::open(Time now) noexcept {
  mode_ = Mode::Opening;
  started_ = next_ = now;
  tries_ = 0;
}

void Validation::recover(Time now, ProbePace pace) noexcept {
  mode_ = Mode::Recovering;
  pace_ = pace;
  started_ = next_ = now;
  tries_ = 0;
}

void Validation::probe(Time now) noexcept {
  mode_ = Mode::Probing;
  started_ = next_ = now;
  tries_ = 0;
}

std::optional<std::uint64_t> Validation::poll(Time now, Random& random) noexcept {
  if (mode_ == Mode::Idle || now < next_) return {};
  Challenge& challenge = sent_[tries_++ % kTokensMax];
  challenge = {random.u64(), now};
  next_ = next_after(now);
  return challenge.token;
}

Time Validation::next_after(Time now) const noexcept {
  if (mode_ == Mode::Opening)
    return tries_ < kChallengeSchedule.size() ? started_ + kChallengeSchedule[tries_] : kNever;
  if (mode_ == Mode::Probing) return now + kSuspectProbe;
  if (pace_ == ProbePace::Sparse) return now + kMeteredChallengeSlow;
  const bool fresh = now - started_ < kDownChallengeSpan;
  if (pace_ == ProbePace::Metered)
    return now + (fresh ? kMeteredChallengeFast : kMeteredChallengeSlow);
  return now + (fresh ? kDownChallengeFast : kDownChallengeSlow);
}

std::optional<Duration> Validation::on_response(Time now, std::uint64_t token) noexcept {
  const auto found = std::find_if(sent_.begin(), sent_.end(), [&](const Challenge& c) {
    return c.sent != kNever && c.token == token;
  });
  if (found == sent_.end()) return {};
  return now - std::exchange(found->sent, kNever);
}

}  // namespace wanbond
