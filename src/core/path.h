// Path: one local WAN socket and one remote address within a session, from its first challenge to
// its last heartbeat (protocol 3.1 to 3.4). A passive machine: authentic packets, frames and time
// come in; state changes and the control frames to send come out.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/address.h"
#include "base/fixed.h"
#include "base/ids.h"
#include "base/random.h"
#include "base/time.h"
#include "core/event.h"
#include "core/order.h"
#include "core/path_meter.h"
#include "core/pmtu.h"
#include "core/settings.h"
#include "core/validation.h"
#include "proto/bfd.h"
#include "proto/frames.h"
#include "proto/limits.h"
#include "sched/failover.h"
#include "sched/hold_down.h"
#include "sched/received.h"
#include "sched/rtt.h"
#include "sched/sent.h"
#include "sched/traffic.h"

namespace wanbond {

/// Where a path's datagrams come from and go to.
struct PathAddress {
  SocketId socket;
  Endpoint remote;  // port 0: not known yet
  IpAddress local;  // unspecified: the socket's own choice
  friend bool operator==(const PathAddress&, const PathAddress&) = default;
};

/// Why a path is there: our configuration, the peer opened it, or the peer offered its address.
enum class PathOrigin : std::uint8_t { Configured, Learned, Offered };

/// One authentic packet that was no replay.
struct Arrival {
  PathAddress from;
  std::uint32_t number = 0;           // packet number
  std::uint32_t bytes = 0;            // UDP payload
  std::optional<std::uint8_t> epoch;  // whose number it is; none: of older keys
  bool newest = false;  // the highest number of its path so far: it may speak of addresses
  Time at{};            // when it reached this box, which may have had no time for it since
};

/// A change of a path that others must know of.
struct PathChange {
  EventKind kind{};  // PathState, PathMoved or PathSize
  Cause cause{};
  PathState from{};
  PathState to{};
  Duration silence{};
  std::uint16_t payload_bytes = 0;  // PathSize
  Time detected = kNever;           // PathState: the first sign of it
};

/// One CTRL datagram that a path wants sent.
struct ControlPlan {
  PathAddress to;
  FixedVector<Frame, 8> frames;
  std::size_t padded_bytes = 0;  // UDP payload to fill up to; 0: no padding
};

/// Promise: it is usable only while its address has answered a challenge and BFD is Up; nothing but
/// challenges goes to an address that has not answered, at most three times what came from it.
class Path {
 public:
  struct Settings {
    PathId id;
    PathAddress address;
    PathOrigin origin = PathOrigin::Configured;
  };
  /// `wan` and `random` outlive the path. It stays Candidate until start().
  Path(Time now, const Settings& settings, const WanSettings& wan, Random& random) noexcept;

  /// Whether there is another path to turn to. Without one, suspicion does not end in Down before
  /// BFD says so: a peer that does not run for a moment is not down.
  enum class Company : std::uint8_t { Alone, Others };
  void set_company(Company company) noexcept { company_ = company; }

  /// There are keys: challenges begin. Nothing when the address is not known, or once begun.
  void start(Time now) noexcept;
  /// There are no keys any more: Down until start().
  void stop(Time now, Cause cause) noexcept;
  /// The handshake itself has shown that this address answers.
  void on_address_proven(Time now) noexcept;
  /// The peer is another process than before.
  void on_peer_restarted(Time now) noexcept;
  /// The next packet says CONFIRM.
  void confirm_keys() noexcept { confirm_due_ = name_due_ = true; }

  void on_arrival(Time now, const Arrival& arrival) noexcept;
  /// A DATA, or a probe of a train, with the sender's stamp.
  void on_data_received(Time now, const Arrival& arrival, std::uint16_t stamp,
                        ArrivalKind kind) noexcept;
  void on_data_sent(Time now, std::uint32_t packets, std::uint64_t bytes) noexcept;
  /// Probes of a train: no use of the path that asks for the heartbeats of a path in use.
  void on_train_sent(Time now, std::uint32_t packets, std::uint64_t bytes) noexcept;
  void on_challenge(Time now, const PathChallengeFrame& frame, const Arrival& arrival) noexcept;
  void on_response(Time now, const PathResponseFrame& frame, const Arrival& arrival) noexcept;
  void on_bfd(Time now, const BfdControl& control) noexcept;
  /// A report of this path that came on it.
  void on_feedback(Time now, const FeedbackFrame& frame, const Arrival& arrival) noexcept;
  /// A report of this path, by whatever path it came: the peer has received this number.
  void on_acknowledged(Time now, std::uint32_t largest) noexcept;
  void on_name(const PathNameFrame& frame);
  void on_probe(const PmtuProbeFrame& frame, const Arrival& arrival) noexcept;
  void on_probe_ack(Time now, const PmtuAckFrame& frame) noexcept;
  /// The kernel, or a router, says that a datagram to this address was too large.
  void on_too_big(Time now) noexcept { pmtu_.on_too_big(now); }
  void on_control_stamp(const Arrival& arrival, std::uint16_t stamp) noexcept;
  /// The kernel refused to send to this path's address; `cause` says why (SendRefused, WanLost).
  void on_send_refused(Time now, Cause cause) noexcept;
  /// The peer tells the state of this path at its side (PATH_STATUS): it is not used for data, or
  /// only as a last resort, from now on, or again.
  void on_peer_status(Time now, const PathStatusFrame& status) noexcept;
  /// A PATH_STATUS, PATH_ABANDON or ADDR came on this path: it is acknowledged here.
  void owe_ack(std::uint16_t sequence) noexcept { (void)acks_.sequences.push(sequence); }
  /// The path's WAN has changed: it is left at once when it cannot send any more, tried at once
  /// when it can again.
  void on_wan(Time now, const WanState& state) noexcept;
  /// The path is given up: Down for good, silent, kept until its owner forgets it.
  void close(Time now, Cause cause) noexcept;
  bool is_closed() const noexcept { return is_closed_; }
  /// Nothing can be sent from here: closed, or the WAN is gone.
  bool is_blocked() const noexcept {
    return is_closed_ || is_wan_lost_ || is_address_lost_ || order_ == PathOrder::Down;
  }
  /// What somebody wants of it. Down is no failure: nothing is counted, nothing held against it.
  void set_order(Time now, PathOrder order) noexcept;
  PathOrder order() const noexcept { return order_; }
  /// As the wire has it: 0 is best.
  std::uint8_t priority() const noexcept;
  /// A learned address that has been silent for so long that it is not expected back.
  bool is_forgotten(Time now) const noexcept {
    return origin_ == PathOrigin::Learned && state_ == PathState::Down &&
           now - last_heard_ >= kLearnedPathLife;
  }

  /// The node was late by so much: jumps of the delay that are its own are not the path's.
  void on_late(Time now, Duration late) noexcept { received_.excuse(now, late); }
  /// `late`: how long the loop could not run; detection deadlines move by it.
  void on_timer(Time now, Duration late) noexcept;
  Time next_timeout() const noexcept;
  /// When view() changes by time alone; kNever if it does not.
  Time next_view_change(Time now) const noexcept { return hold_down_.next_timeout(now); }
  /// The next datagram to send now; call until none.
  std::optional<ControlPlan> poll_transmit(Time now) noexcept;
  /// The last FEEDBACK spoke of data that none before it did.
  bool has_reported_news() const noexcept { return reported_news_; }
  /// Counts a CTRL that was sent.
  void on_control_sent(std::uint64_t bytes) noexcept;
  /// `number` was used for a DATA or CTRL of this path.
  void on_number(std::uint32_t number) noexcept { next_number_ = number + 1; }
  std::uint32_t next_number() const noexcept { return next_number_; }
  /// The next change since the last call; call until none.
  std::optional<PathChange> take_change() noexcept;

  PathId id() const noexcept { return id_; }
  PathOrigin origin() const noexcept { return origin_; }
  const PathAddress& address() const noexcept { return address_; }
  PathState state() const noexcept { return state_; }
  /// When the first sign of what led to the present state was seen.
  Time sign_at() const noexcept { return sign_at_; }
  /// What was sent and is not acknowledged. It is the owner's to settle, lose or take.
  SentLog& sent_log() noexcept { return log_; }
  const SentLog& sent_log() const noexcept { return log_; }
  /// How long a packet may be overtaken before it counts as lost.
  Duration reordering() const noexcept { return kFeedbackGapDelay + received_.jitter(); }
  /// Our own traffic stands in a queue before this path: what it loses is lost to that.
  bool is_queued() const noexcept;
  bool is_usable() const noexcept {
    return state_ == PathState::Up || state_ == PathState::Suspect;
  }
  /// Largest UDP payload that it is known to carry.
  std::size_t payload_bytes_max() const noexcept { return pmtu_.payload_bytes(); }
  const PathMtu& mtu() const noexcept { return pmtu_; }
  /// How Failover should see it for flows that are repaired, or not: never to be used while it
  /// cannot carry the smallest TUN MTU.
  PathView view(Time now, FlowCare care) const noexcept;
  const BfdSession& bfd() const noexcept { return bfd_; }
  const RttEstimator& rtt() const noexcept { return rtt_; }
  const ReceiveAccount& received() const noexcept { return received_; }
  const SendAccount& sent() const noexcept { return sent_; }
  /// The peer's name of its WAN behind this path; empty while unknown.
  const std::string& peer_name() const noexcept { return peer_name_; }

  struct Counters {
    std::uint64_t tx_packets = 0, tx_bytes = 0, rx_packets = 0, rx_bytes = 0;  // UDP payload
    std::uint64_t resent_packets = 0;  // lost here, sent again
    std::uint32_t downs = 0;
    Cause last_down_cause{};
  };
  const Counters& counters() const noexcept { return counters_; }
  void count_resent() noexcept { ++counters_.resent_packets; }

 private:
  /// An address that an authentic packet came from, not the one we send to.
  struct Candidate {
    PathAddress address;
    Validation validation;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    Time since{};
  };
  struct PendingResponse {
    PathAddress to;
    PathResponseFrame frame;
    std::size_t bytes = 0;  // of the challenge: the answer is as long
  };

  struct PendingProbeAcks {
    PathAddress to;
    FixedVector<PmtuAckFrame, 8> frames;
  };
  /// Why a path is Suspect. Any packet ends the first kind; the second ends with an answer to
  /// something that was sent since it began.
  enum class Suspicion : std::uint8_t { Silence, Unacknowledged };

  static constexpr unsigned kMeteredRank = 1000;  // behind every priority
  static constexpr unsigned kBackupPriority = 255;

  bool can_talk() const noexcept;
  bool is_active(Time now) const noexcept { return now < active_until_; }
  void mark_active(Time now) noexcept;
  void change_state(Time now, PathState to, Cause cause) noexcept;
  void go_down(Time now, Cause cause) noexcept;
  void settle(Time now, Cause cause) noexcept;
  void on_bfd_change(Time now, const std::optional<BfdStateChange>& change) noexcept;
  void track_address(Time now, const Arrival& arrival) noexcept;
  void move_to(Time now, const PathAddress& address) noexcept;
  void update_profile(Time now) noexcept;
  ProbePace pace() const noexcept;
  /// The address was named by the peer, or a packet came from it, and it has never answered.
  bool is_hearsay() const noexcept { return origin_ != PathOrigin::Configured && !was_proven_; }
  /// A source address may be forged: until it answers, it gets three times what came from it.
  bool may_challenge() const noexcept {
    return origin_ != PathOrigin::Learned || was_proven_ ||
           unproven_out_ + kValidationBytes <= kAmplificationMax * counters_.rx_bytes;
  }
  BfdIntervals wanted_intervals(Time now) noexcept;
  void on_stamp(const Arrival& arrival, std::uint16_t stamp, ArrivalKind kind) noexcept;
  Time silent_at() const noexcept;
  int reports_awaited() const noexcept;
  Time overdue_at() const noexcept;
  Time probes_fail_at() const noexcept;
  void suspect(Time now, Suspicion suspicion) noexcept;
  void trust(Time now) noexcept;
  void want_feedback(Time now, Duration interval) noexcept;
  FeedbackFrame make_feedback(Time now) noexcept;
  PathChallengeFrame make_challenge(std::uint64_t token) const noexcept;
  void add_routine_frames(Time now, ControlPlan& plan) noexcept;
  std::optional<ControlPlan> plan_response(Time now) noexcept;
  std::optional<ControlPlan> plan_candidate(Time now) noexcept;
  std::optional<ControlPlan> plan_admin_down(Time now) noexcept;
  std::optional<ControlPlan> plan_size(Time now) noexcept;
  PmtuLimits size_limits() const noexcept;
  void note_size() noexcept;

  PathId id_;
  PathOrigin origin_;
  const WanSettings& wan_;
  Random& random_;
  PathAddress address_;
  PathState state_ = PathState::Candidate;
  Time sign_at_{};

  PathOrder order_ = PathOrder::Up;
  BfdSession bfd_;
  BfdIntervals intervals_;  // as BFD was told
  unsigned doublings_ = 0;  // of the sending interval, for heavy loss
  Time doublings_changed_{};
  Validation validation_;           // of address_
  bool answered_ = false;           // address_ has answered since the path last went down
  bool was_proven_ = false;         // it has ever
  std::uint64_t unproven_out_ = 0;  // UDP payload sent before that
  Time validating_until_ = kNever;
  std::optional<Candidate> candidate_;
  std::optional<PathAddress> refused_;  // a candidate that lost against the old address
  Time refused_until_{};
  FixedVector<PendingResponse, 4> responses_;
  bool confirm_due_ = false;
  bool name_due_ = true;

  Time last_heard_{};
  Time active_until_{};
  Time feedback_at_ = kNever;  // when the next FEEDBACK is due
  bool has_news_ = false;      // DATA that no FEEDBACK has spoken of
  bool reported_news_ = false;
  std::uint64_t rx_bytes_reported_ = 0;
  /// The blocks of the last FEEDBACK.
  std::array<std::byte, kFrameValueBytesMax - kFeedbackBaseBytes> block_bytes_{};
  std::uint64_t feedback_cost_ = 0;  // data that pays for one, at 1 %
  Time last_feedback_{};
  std::uint64_t load_bytes_ = 0;  // data sent since load_since_
  Time load_since_{};
  PathLoad load_ = PathLoad::Light;
  bool is_closed_ = false;
  bool is_wan_lost_ = false;
  bool is_address_lost_ = false;  // the WAN has no address of the family any more
  unsigned peer_rank_ = 0;
  WirePathState peer_state_ = WirePathState::Up;
  AckFrame acks_;
  HoldDown hold_down_;
  RttEstimator rtt_;
  PathMtu pmtu_;
  PendingProbeAcks probe_acks_;
  std::size_t reported_bytes_ = 0;  // size in the last PathSize; 0: none yet
  ReceivedNumbers numbers_;
  SentLog log_;
  std::uint32_t next_number_ = 0;
  Suspicion suspicion_{};
  Company company_ = Company::Alone;
  Time suspect_since_{};
  Time trusted_until_{};              // the clause of unacknowledged packets rests
  std::uint32_t suspect_number_ = 0;  // of the first packet sent under suspicion
  ReceiveAccount received_;
  PathMeter meter_;
  SendAccount sent_;
  std::string peer_name_;
  Counters counters_;
  FixedVector<PathChange, 8> changes_;
};

}  // namespace wanbond
