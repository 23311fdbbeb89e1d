// Salvage: sends again, on the best path, what a path has lost or may have lost, from the super
// packets that are kept until acknowledged (scheduling 5.9, decisions 18).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/egress.h"
#include "proto/frames.h"
#include "sched/flow.h"

namespace wanbond {

/// How many single losses are repaired while no queue of ours stands before the path.
enum class RepairPolicy : std::uint8_t {
  Careful,    // from a credit
  Unlimited,  // the Bond keeps the links' queues short and tells flows to slow down itself
};

/// Owned by the session. Only packets with a stream are sent again: the receiver drops the second
/// copy. A packet that will not come is told as void, so that nobody waits for it.
class Salvage {
 public:
  /// All outlive it.
  Salvage(Egress& egress, RetainedPackets& retained, FlowTable& flows) noexcept
      : egress_(egress), retained_(retained), flows_(flows) {}

  void set_policy(RepairPolicy policy) noexcept { policy_ = policy; }
  /// Data was sent: a share of it may be spent on repairs of single losses.
  void on_sent(std::uint64_t bytes) noexcept;
  /// A report of `reported`, well-formed, by whatever path it came. `route`: where to send what is
  /// lost; null: nowhere.
  void on_report(Time now, Path& reported, const FeedbackFrame& report, const SendPath* route,
                 Outbox& out) noexcept;
  /// Repairs what later packets have overtaken. Also at SentLog::next_timeout().
  void find_lost(Time now, Path& path, const SendPath* route, Outbox& out) noexcept;
  /// `from` has failed: all that is under way there is to go another way, in the order of the LAN.
  void rescue(Time now, Path& from) noexcept;
  /// `from` is in doubt: the same, but it stays under way there, too. Either copy may come first.
  void copy(Time now, Path& from) noexcept;
  bool has_rescued() const noexcept { return rescued_at_ < rescued_.size(); }
  /// Sends the next of it over `to`, if it is still of use. Only if has_rescued().
  void send_rescued(Time now, const SendPath& to, Outbox& out) noexcept;

 private:
  /// What is being sent again, and the super packet that was parsed last.
  struct Job {
    Time now;
    const SendPath& to;
    Outbox& out;
    std::uint32_t parsed = SentSegment::kNothing;
    std::optional<SuperPacket> super{};
  };
  void settle(const SentSegment& segment) noexcept;
  void add_rescued(Time now, Path& from, const SentSegment& segment) noexcept;
  void sort_rescued() noexcept;
  bool is_useful(Time now, const SentSegment& segment) const noexcept;
  bool is_worth_repair(Time now, const Path& path, const SentSegment& segment) const noexcept;
  /// False: it did not fit, and was given up.
  bool send_again(Job& job, const SentSegment& segment) noexcept;
  void give_up(const Job& job, const SentSegment& segment) noexcept;

  Egress& egress_;
  RetainedPackets& retained_;
  FlowTable& flows_;
  std::uint64_t credit_bytes_ = kCreditFirst;
  RepairPolicy policy_ = RepairPolicy::Careful;
  std::vector<SentSegment> lost_;     // of the present call
  std::vector<SentSegment> rescued_;  // no more than the logs of the failed paths held
  std::size_t rescued_at_ = 0;        // the next of them

  static constexpr std::uint64_t kCreditFirst = 64 << 10;
};

}  // namespace wanbond
