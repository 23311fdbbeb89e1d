// Validation: proof that an address answers, before traffic is sent to it (RFC 9000 section 8.2,
// protocol 3.1). Decides when a challenge is due and tells an answer from a forgery.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/random.h"
#include "base/time.h"

namespace wanbond {

/// How often a path that is down is probed: metered ones spare their volume, and an address that
/// somebody named and that never answered is not to be bothered.
enum class ProbePace : std::uint8_t { Normal, Metered, Sparse };

/// The challenges to one address. Passive; the owner sends what poll() gives.
class Validation {
 public:
  /// Starts anew: four tries within 1.75 s.
  void open(Time now) noexcept;
  /// Starts anew, for an address that has answered before: every 100 ms for a minute, then every
  /// second, for ever (metered: 1 s, 15 s).
  void recover(Time now, ProbePace pace) noexcept;
  /// Starts anew, for an address that is in use and in doubt: every 20 ms.
  void probe(Time now) noexcept;
  /// No more challenges; answers to those under way still count.
  void stop() noexcept { mode_ = Mode::Idle; }

  /// The token of a challenge that is due; draws it from `random`.
  std::optional<std::uint64_t> poll(Time now, Random& random) noexcept;
  /// The round-trip time, if `token` answers one of the last kTokensMax challenges; each counts
  /// once.
  std::optional<Duration> on_response(Time now, std::uint64_t token) noexcept;
  /// When the next challenge is due.
  Time next_timeout() const noexcept { return mode_ == Mode::Idle ? kNever : next_; }

 private:
  enum class Mode : std::uint8_t { Idle, Opening, Recovering, Probing };
  /// At a challenge every 100 ms, more than any usable round trip.
  static constexpr std::size_t kTokensMax = 16;
  struct Challenge {
    std::uint64_t token = 0;
    Time sent = kNever;  // kNever: none, or answered
  };
  Time next_after(Time now) const noexcept;

  Mode mode_ = Mode::Idle;
  ProbePace pace_ = ProbePace::Normal;
  Time started_{};
  Time next_ = kNever;
  std::size_t tries_ = 0;
  std::array<Challenge, kTokensMax> sent_{};
};

}  // namespace wanbond
