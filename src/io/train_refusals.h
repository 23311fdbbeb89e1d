// TrainRefusals: where one socket sends its trains as single datagrams, because the kernel or a
// driver on the way did not cut them (UDP_SEGMENT). A remote is forgotten after a while and the
// next train to it tries again. Source: datapath 3.8.
#pragma once

#include <algorithm>

#include "base/address.h"
#include "base/fixed.h"
#include "base/time.h"

namespace wanbond {

/// Remotes of one socket, each until its time is over.
class TrainRefusals {
 public:
  /// Beyond that the oldest gives way: to it a train is tried anew, which is harmless.
  static constexpr std::size_t kCount = 16;
  /// Drivers and routes change; a wrong try costs one refused system call.
  static constexpr Duration kRetryAfter = 10min;

  bool empty() const noexcept { return refusals_.empty(); }
  /// Whether trains to `remote` go singly at `now`.
  bool includes(Time now, const Endpoint& remote) const noexcept {
    return std::any_of(refusals_.begin(), refusals_.end(), [&](const Refusal& refusal) {
      return refusal.remote == remote && now < refusal.until;
    });
  }
  void add(Time now, const Endpoint& remote) noexcept {
    const auto gone = std::remove_if(
        refusals_.begin(), refusals_.end(),
        [&](const Refusal& refusal) { return refusal.remote == remote || refusal.until <= now; });
    while (refusals_.end() != gone) (void)refusals_.pop();
    if (refusals_.full()) {
      std::move(refusals_.begin() + 1, refusals_.end(), refusals_.begin());
      (void)refusals_.pop();
    }
    (void)refusals_.push({remote, now + kRetryAfter});  // not full: see above
  }

 private:
  struct Refusal {
    Endpoint remote;
    Time until{};
  };
  FixedVector<Refusal, kCount> refusals_;  // the oldest first
};

}  // namespace wanbond
