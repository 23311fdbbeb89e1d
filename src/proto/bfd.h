// BFD (RFC 5880) inside the encrypted channel: the control packet, unchanged, and one session per
// path. Asynchronous mode, both ends active, no demand, no echo, no authentication section: the
// channel authenticates. One departure, off with BfdLiveness::Strict: any authenticated packet on
// the path is a sign of life and may stand for a BFD packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"
#include "proto/limits.h"

namespace wanbond {

/// RFC 5880 4.1, Sta.
enum class BfdState : std::uint8_t { AdminDown = 0, Down = 1, Init = 2, Up = 3 };

/// RFC 5880 4.1, Diag. Other values of its 5 bits may be received and are kept.
enum class BfdDiag : std::uint8_t {
  None = 0,
  DetectionTimeExpired = 1,
  EchoFailed = 2,
  NeighborSignaledDown = 3,
  ForwardingPlaneReset = 4,
  PathDown = 5,
  ConcatenatedPathDown = 6,
  AdministrativelyDown = 7,
  ReverseConcatenatedPathDown = 8,
};

/// Why a control packet was discarded (RFC 5880 6.8.6), by what it says itself.
enum class BfdError : std::uint8_t {
  Version,        ///< not 1
  Length,         ///< below 24 (26 with authentication), or past the payload
  DetectMult,     ///< 0
  Multipoint,     ///< M set
  Discriminator,  ///< My Discriminator 0, or Your Discriminator 0 in Init or Up
  Authentication  ///< A set: bfd.AuthType is 0 here
};

/// Mandatory section of a BFD control packet (RFC 5880 4.1), network order:
///
///     0                8                16               24
///     +-----+----------+----+-----------+----------------+----------------+
///     | Ver | Diag     | Sta|P|F|C|A|D|M| Detect Mult    | Length = 24    |
///     +-----+----------+----+-----------+----------------+----------------+
///     | My Discriminator                                                  |
///     | Your Discriminator                                                |
///     | Desired Min TX Interval (us)                                      |
///     | Required Min RX Interval (us)                                     |
///     | Required Min Echo RX Interval (us)                                |
///     +-------------------------------------------------------------------+
struct BfdControl {
  BfdDiag diag = BfdDiag::None;
  BfdState state = BfdState::Down;
  bool poll = false;
  bool final = false;
  bool control_plane_independent = false;
  bool demand = false;  ///< read but not obeyed: version 1 has no demand mode
  std::uint8_t detect_mult = 1;
  std::uint32_t my_discriminator = 0;
  std::uint32_t your_discriminator = 0;
  /// Whole microseconds, 0 to 2^32 - 1 of them.
  Duration desired_min_tx{};
  Duration required_min_rx{};
  Duration required_min_echo_rx{};

  friend bool operator==(const BfdControl&, const BfdControl&) = default;
};

/// Applies the discard rules of RFC 5880 6.8.6 that concern the packet alone. `packet` may be
/// longer than its Length field. None, with `error` set, for a packet to discard.
std::optional<BfdControl> parse_bfd(Bytes packet, BfdError& error) noexcept;
/// Writes kBfdControlBytes; intervals are cut to whole microseconds that fit 32 bits.
void write_bfd(ByteWriter& out, const BfdControl& control) noexcept;

/// What one end asks for (RFC 5880 6.8.1). Intervals of 1 us to 1 h, multiplier 1 to 255.
struct BfdIntervals {
  Duration desired_min_tx = kBfdSlowInterval;
  Duration required_min_rx = kBfdSlowInterval;
  std::uint8_t detect_mult = 3;

  friend bool operator==(const BfdIntervals&, const BfdIntervals&) = default;
};

/// Profiles (protocol, BFD): a path that carried data within kBfdActiveWindow, detection 80 ms; an
/// idle or backup path, 1.2 s; a path that is paid by volume, 3 s.
inline constexpr BfdIntervals kBfdActive{20ms, 20ms, 4};
inline constexpr BfdIntervals kBfdIdle{300ms, 300ms, 4};
inline constexpr BfdIntervals kBfdMetered{1s, 1s, 3};

/// The smallest multiplier with which random losses of `loss_ppm` raise at most
/// kBfdFalseAlarmsPerSecond; 1 to kBfdDetectMultMax.
std::uint8_t detect_mult_for(std::uint32_t loss_ppm, Duration interval) noexcept;

/// Whether other authenticated traffic counts.
enum class BfdLiveness : std::uint8_t {
  AnyPacket,  ///< it restarts the detection timer, and sent traffic may stand for BFD's
  Strict,     ///< only BFD packets count, as RFC 5880 says
};

/// Settings of a session.
struct BfdSettings {
  BfdIntervals intervals = kBfdActive;
  BfdLiveness liveness = BfdLiveness::AnyPacket;
};

/// One session changed its state, from before an input to after it.
struct BfdStateChange {
  BfdState from = BfdState::Down;
  BfdState to = BfdState::Down;
  BfdDiag diag = BfdDiag::None;  ///< the local reason; None on the way up
  Time time{};
};

/// One BFD session (RFC 5880 6.8). Passive: the owner, a path, feeds it packets and times, sends
/// what poll_transmit() gives and calls on_timer() at next_timeout(). Promise: at most
/// 1 / (0.75 x transmit_interval()) packets per second, plus one Final per Poll received, plus
/// kBfdImmediateCountMax per kBfdImmediateSpan on changes.
class BfdSession {
 public:
  /// Starts Down with a random nonzero discriminator and a packet due at `now`. `random` outlives
  /// the session.
  BfdSession(Time now, const BfdSettings& settings, Random& random) noexcept;
  BfdSession(const BfdSession&) = delete;
  BfdSession& operator=(const BfdSession&) = delete;
  BfdSession(BfdSession&&) noexcept = default;
  BfdSession& operator=(BfdSession&&) noexcept = default;

  /// A parsed control packet that came on this path (6.8.6). A Your Discriminator that is neither
  /// 0 nor ours discards it. A changed My Discriminator takes Up to Down.
  [[nodiscard]] std::optional<BfdStateChange> on_control(Time now,
                                                         const BfdControl& received) noexcept;
  /// Any other authenticated, non-replayed packet came on this path. Nothing in strict mode.
  void on_sign_of_life(Time now) noexcept;
  /// Other authenticated traffic was sent on this path. Nothing in strict mode.
  void on_sent(Time now) noexcept;
  /// Detection time (6.8.4). Harmless when early. Read all sockets before, and call
  /// shift_deadline() when the loop itself was late.
  [[nodiscard]] std::optional<BfdStateChange> on_timer(Time now) noexcept;
  /// Moves the present detection deadline by `late` >= 0: time in which nothing could be read.
  void shift_deadline(Duration late) noexcept;

  /// The path falls silent for so long at times, losses aside: the detection time grows by as many
  /// whole intervals, up to kBfdDetectMultMax of them in all. Nothing in strict mode.
  void set_patience(Duration patience) noexcept;
  /// New intervals. Slower sending and faster expectation wait, while Up, for the Final of a Poll
  /// Sequence (6.8.3); the multiplier counts at once (6.8.12).
  void set_intervals(Time now, const BfdIntervals& intervals) noexcept;
  /// Takes the session to AdminDown and keeps telling the peer (6.8.16).
  [[nodiscard]] std::optional<BfdStateChange> set_admin_down(Time now) noexcept;
  /// From AdminDown to Down; nothing in other states.
  [[nodiscard]] std::optional<BfdStateChange> clear_admin_down(Time now) noexcept;
  /// Forgets the peer: to Down with `diag` unless AdminDown. For a changed boot id, or with
  /// PathDown for a local interface that is gone.
  [[nodiscard]] std::optional<BfdStateChange> restart(
      Time now, BfdDiag diag = BfdDiag::NeighborSignaledDown) noexcept;

  /// The peer is reachable again: the next packet is due now, within the bound on immediate ones,
  /// and not at the end of the slow interval.
  void hasten(Time now) noexcept { transmit_now(now); }

  /// The packet due now, if any; call until none.
  [[nodiscard]] std::optional<BfdControl> poll_transmit(Time now) noexcept;
  /// When to call on_timer() and poll_transmit() again: at once, later, or kNever.
  Time next_timeout() const noexcept;

  BfdState state() const noexcept { return state_; }
  BfdState remote_state() const noexcept { return remote_state_; }
  BfdDiag diag() const noexcept { return diag_; }
  std::uint32_t my_discriminator() const noexcept { return my_discriminator_; }
  /// 0 while the peer's is not known.
  std::uint32_t your_discriminator() const noexcept { return your_discriminator_; }
  std::uint8_t detect_mult() const noexcept { return intervals_.detect_mult; }
  /// The peer's; 0 while it is not known.
  std::uint8_t remote_detect_mult() const noexcept { return remote_detect_mult_; }
  /// After so long without a sign of life the session goes Down (6.8.4, and patience); zero while
  /// no packet of the peer is known.
  Duration detection_time() const noexcept;
  /// Time between two packets before jitter (6.8.2, 6.8.7); zero when the peer wants none.
  Duration transmit_interval() const noexcept;

 private:
  /// Poll Sequences (6.5). Waiting: one is to start at poll_not_before_.
  enum class Poll : std::uint8_t { None, Waiting, Running };
  enum class Kind : std::uint8_t { Periodic, Final };

  Duration announced_min_tx() const noexcept;
  Duration jittered(Duration interval) noexcept;
  Time detection_deadline() const noexcept;
  BfdControl content() const noexcept;
  BfdControl transmit(Time now, Kind kind) noexcept;
  bool has_poll_due(Time now) const noexcept;
  void step(BfdState received) noexcept;
  void set_state(BfdState state, BfdDiag diag) noexcept;
  void start_poll(Time now) noexcept;
  void on_final(Time now) noexcept;
  void end_poll() noexcept;
  void forget_peer() noexcept;
  void announce(Time now) noexcept;
  void rearm() noexcept;
  void transmit_now(Time now) noexcept;
  std::optional<BfdStateChange> settle(Time now, BfdState before) noexcept;

  Random* random_;
  BfdLiveness liveness_;
  BfdIntervals intervals_;

  // RFC 5880 6.8.1.
  BfdState state_ = BfdState::Down;
  BfdState remote_state_ = BfdState::Down;
  BfdDiag diag_ = BfdDiag::None;
  std::uint32_t my_discriminator_ = 0;
  std::uint32_t your_discriminator_ = 0;
  Duration remote_desired_min_tx_{};
  Duration remote_required_min_rx_ = 1us;
  std::uint8_t remote_detect_mult_ = 0;

  // What our packets say, and what is acted on until the Final (6.8.3).
  Duration announced_min_tx_{};
  Duration announced_min_rx_{};
  Duration used_min_tx_{};
  Duration used_min_rx_{};
  Poll poll_ = Poll::None;
  bool poll_again_ = false;  // parameters changed since the running Poll Sequence began
  Time poll_not_before_{};

  // Receiving.
  Time last_heard_{};
  Duration shift_{};
  Duration patience_{};

  // Sending.
  BfdControl last_content_;  // of the last packet, without P and F
  Time last_transmit_{};
  Time last_sent_{};  // of other traffic
  Time next_transmit_{};
  Time final_due_ = kNever;
  Duration armed_interval_{};
  Time immediate_start_{};
  int immediate_count_ = 0;
};

}  // namespace wanbond
