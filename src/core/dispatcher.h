// Dispatcher: station 4 of the way out: what is ordered waits in the session's Bond until a path
// may take it, and goes there. It joins the Bond, which knows numbers only, with the session's
// paths, retained packets and egress.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "core/bond_status.h"
#include "core/control.h"
#include "core/egress.h"
#include "core/held_acks.h"
#include "core/peer_clock.h"
#include "core/salvage.h"
#include "proto/frames.h"
#include "sched/bond.h"
#include "sched/flow.h"

namespace wanbond {

/// Owned by the session. Paths are in the Bond while nothing better is there, by usability and then
/// rank as Failover has it, eight at most. With one path from the start, or for a minute, there is
/// nothing to divide: packets go straight to egress.
class Dispatcher {
 public:
  /// All outlive it. The acknowledgements are told what is sent of held flows.
  struct Parts {
    Egress& egress;
    RetainedPackets& retained;
    Control& control;
    HeldAcks& acks;
  };
  explicit Dispatcher(const Parts& parts) noexcept
      : egress_(parts.egress),
        retained_(parts.retained),
        control_(parts.control),
        acks_(parts.acks) {}

  /// Paths may have changed. To be called after every input, before pump().
  void update(Time now) noexcept;
  /// What a path carries, if flows can be divided between it and others.
  BulkPath bulk_path(const Path& path) const noexcept;
  /// For the flow's packets to come.
  void set_hold(const Flow& flow, FlowHold hold) noexcept;
  /// After which time acknowledgements of the flow are to reach its sender; 0: at once.
  Duration held_round_trip(const Flow& flow) const noexcept;
  /// Ordered packets are to be pushed, not sent.
  bool is_active() const noexcept { return is_active_; }
  /// Where data of an ordered flow waits, which takes all paths or, as long as it works, the one
  /// that it is pinned to. Pinned subflows of one MPTCP connection wait together: however many of
  /// them share a path, they get one share of it. None: it is to be sent over its path at once.
  /// Only while active.
  std::optional<std::uint16_t> bucket_of(const Flow& flow, const Path* pinned) const noexcept;

  /// Sends a super packet at once if nothing waits and its path takes it; none: push() it.
  std::optional<SentCount> pass(Time now, std::uint16_t bucket, const SuperPacket& super,
                                const Marking& marking, Outbox& out) noexcept;
  /// Takes a super packet whose first segment has these marks; false: the queue is full, nothing
  /// was kept or numbered.
  bool push(Time now, std::uint16_t bucket, const SuperPacket& super, Packet packet,
            const Marking& marking) noexcept;
  /// Sends what paths may take now. Also at next_timeout().
  void pump(Time now, Outbox& out) noexcept;
  Time next_timeout() const noexcept { return has_queue() ? bond_->next_timeout() : kNever; }

  /// A CTRL with this stamp came over `via`, at that time.
  void on_heard(Time now, const Path& via, const StampedAt& stamped) noexcept;
  /// It has a report of `path`, from which the path's SentLog has learnt. After on_heard().
  void on_report(Time now, const Path& path, const FeedbackFrame& report) noexcept;
  /// The path that delivers a repair first; null: not in the Bond's hands.
  Path* repair_path(Time now) const noexcept;
  /// When it takes the next one.
  Time repair_at(Time now) const noexcept;
  /// Flows leave the path though it is not known to have failed if what should have arrived is not
  /// there, or its reports fail to come, while another one's come. What it has under way is to be
  /// sent again. That lasts until the peer has received something more on it.
  void doubt(Time now, const Path& path) noexcept;
  bool is_doubted(const Path& path) const noexcept {
    const auto index = index_of(path);
    return index && doubted_[*index].has_value();
  }
  /// Flows have a choice of paths.
  bool is_divided() const noexcept { return is_active_ && count_ >= 2; }
  /// Packets that it did not send went out on its paths; pump() notices by itself.
  void note_others(Time now) noexcept;
  /// How long the receiver at the other end has reason to wait; the same holds for ours. Only
  /// while active.
  Duration hold_time() const noexcept { return bond_->hold_time(); }
  /// Losses are repaired, for it is this queue that slows flows down; not where the machine is the
  /// bottleneck, since nothing waits here then and the senders must learn of it.
  RepairPolicy repair_policy() const noexcept;
  BondStatus status(const Path& path) const noexcept;
  /// Paths, by id, in which a queue stands or before which packets wait.
  std::uint64_t busy_paths() const noexcept;
  /// Largest UDP payload that all its paths carry.
  std::size_t payload_bytes_max() const noexcept;
  std::optional<std::uint8_t> index_of(const Path& path) const noexcept {
    const std::uint8_t index = index_of_[path.id().value];
    return index == kNone ? std::nullopt : std::optional(index);
  }

 private:
  static constexpr std::uint8_t kNone = 0xff;
  enum class Membership : std::uint8_t { Out, Suspended, In };

  bool has_queue() const noexcept { return bond_ != nullptr && !bond_->queue().empty(); }
  bool is_in(std::uint8_t index) const noexcept { return index != kNone && bond_->is_up(index); }
  Membership membership(const PathView& view, const PathView& best) const noexcept;
  std::uint8_t take_index(PathId path) noexcept;
  Path* path_at(std::uint8_t index) const noexcept;
  void set(Time now, const Path& path, Membership wanted) noexcept;
  void send(Time now, const Grant& grant, Outbox& out) noexcept;
  void give_up(Time now, const SegmentRun& run, const Marking& marking, Path& path,
               Outbox& out) noexcept;
  void note_held(Time now, std::uint16_t bucket, const SuperPacket& super,
                 const Marking& marking) noexcept;
  void send_trains(Time now, Outbox& out) noexcept;
  void note_sent() noexcept;

  Egress& egress_;
  RetainedPackets& retained_;
  Control& control_;
  HeldAcks& acks_;
  std::unique_ptr<Bond> bond_;  // 0.5 MB: made when there are two paths for the first time
  PeerClock clock_;
  std::array<std::uint8_t, kPathCountMax> index_of_ = [] {
    std::array<std::uint8_t, kPathCountMax> none{};
    none.fill(kNone);
    return none;
  }();
  std::array<std::optional<PathId>, kBondPathsMax> path_of_{};  // also of paths that are away
  Duration written_{};                                          // when, of the CTRL in hand
  std::array<Duration, kBondPathsMax> reported_{};              // of the newest report
  std::array<std::uint64_t, kBondPathsMax> sent_bytes_{};       // on each, that the Bond knows of
  std::array<std::uint32_t, kBondPathsMax> largest_{};  // number that the peer has, by its reports
  std::array<std::optional<std::uint32_t>, kBondPathsMax> doubted_{};  // the same when doubt began
  std::size_t count_ = 0;                                              // paths that are in it
  bool is_active_ = false;
  Time divided_at_{};  // when there were two last
};

}  // namespace wanbond
