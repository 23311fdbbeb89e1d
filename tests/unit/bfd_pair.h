// Two BFD sessions over a link with delay and loss, in virtual time. Tests only.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <vector>

#include "proto/bfd.h"
#include "tests/sim/seeded_random.h"

namespace wanbond::test {

using sim::SeededRandom;

/// What one end of the pair saw and did.
struct PairEnd {
  std::optional<BfdSession> session;
  std::vector<BfdStateChange> changes;
  std::vector<Time> sent;
  std::vector<BfdControl> packets;  ///< sent

  BfdSession& operator*() { return *session; }
  BfdSession* operator->() { return &*session; }
  /// Time of the first change to `state` after `since`, or kNever.
  Time first(BfdState state, Time since) const {
    for (const auto& change : changes)
      if (change.to == state && change.time >= since) return change.time;
    return kNever;
  }
  /// Most packets in any span of this length.
  std::size_t busiest(Duration span) const {
    std::size_t most = 0;
    for (std::size_t i = 0, first = 0; i < sent.size(); ++i) {
      while (sent[i] - sent[first] >= span) ++first;
      most = std::max(most, i - first + 1);
    }
    return most;
  }
};

/// Ends 0 and 1. Loss is set per sending end, in parts per million.
class BfdPair {
 public:
  explicit BfdPair(Duration delay, std::uint64_t seed = 1) : random_(seed), delay_(delay) {}

  Time now{1s};
  std::array<PairEnd, 2> ends;
  std::array<std::uint32_t, 2> loss_ppm{};

  void start(std::size_t end, const BfdSettings& settings = {}) {
    ends[end].session.emplace(now, settings, random_);
    drain(end);
  }
  /// Runs all that is due up to and including `end`; `now` is `end` afterwards.
  void run_until(Time end) {
    for (Time next = next_event(); next <= end; next = next_event()) {
      now = std::max(now, next);
      REQUIRE(++steps_ < 2'000'000);
      while (!flying_.empty() && flying_.front().due <= now) deliver();
      for (std::size_t i = 0; i < ends.size(); ++i) {
        if (!ends[i].session) continue;
        note(i, ends[i]->on_timer(now));
        drain(i);
      }
    }
    now = end;
  }
  void run(Duration span) { run_until(now + span); }
  void run_until_up() {
    run(5s);
    REQUIRE(ends[0]->state() == BfdState::Up);
    REQUIRE(ends[1]->state() == BfdState::Up);
  }
  void note(std::size_t end, const std::optional<BfdStateChange>& change) {
    if (change) ends[end].changes.push_back(*change);
    if (ends[end].session) drain(end);
  }

 private:
  struct Flying {
    Time due;
    std::size_t to;
    BfdControl packet;
  };

  Time next_event() const {
    Time next = flying_.empty() ? kNever : flying_.front().due;
    for (const auto& end : ends)
      if (end.session) next = std::min(next, end.session->next_timeout());
    return next;
  }
  void deliver() {
    const Flying flying = flying_.front();
    flying_.pop_front();
    auto& end = ends[flying.to];
    if (end.session) note(flying.to, end->on_control(now, flying.packet));
  }
  void drain(std::size_t from) {
    auto& end = ends[from];
    while (const auto packet = end->poll_transmit(now)) {
      end.sent.push_back(now);
      end.packets.push_back(*packet);
      REQUIRE(end.sent.size() < 1'000'000);
      if (random_.below(1'000'000) >= loss_ppm[from])
        flying_.push_back({now + delay_, 1 - from, *packet});
    }
    REQUIRE(end->next_timeout() > now);
  }

  SeededRandom random_;
  Duration delay_;
  std::deque<Flying> flying_;
  int steps_ = 0;
};

}  // namespace wanbond::test
