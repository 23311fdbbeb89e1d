// Section numbers are those of RFC 5880.
#include "proto/bfd.h"

#include <algorithm>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr unsigned kVersionShift = 5;
constexpr std::uint8_t kDiagMask = 0x1f;
constexpr unsigned kStateShift = 6;
constexpr std::uint8_t kPoll = 0x20;
constexpr std::uint8_t kFinal = 0x10;
constexpr std::uint8_t kControlPlaneIndependent = 0x08;
constexpr std::uint8_t kAuthentication = 0x04;
constexpr std::uint8_t kDemand = 0x02;
constexpr std::uint8_t kMultipoint = 0x01;
constexpr std::size_t kAuthenticatedBytesMin = 26;
constexpr Duration kIntervalMax = 1h;
constexpr std::int64_t kPpm = 1'000'000;

Duration read_interval(ByteReader& in) noexcept { return std::chrono::microseconds(in.u32_be()); }

void write_interval(ByteWriter& out, Duration interval) noexcept {
  const auto count = std::chrono::floor<std::chrono::microseconds>(interval).count();
  out.u32_be(static_cast<std::uint32_t>(std::clamp<std::int64_t>(count, 0, 0xffff'ffff)));
}

/// Rules of 6.8.6 on the first four bytes.
std::optional<BfdError> head_error(Bytes packet, std::uint8_t flags) noexcept {
  ByteReader in(packet);
  const std::uint8_t version = in.u8() >> kVersionShift;
  in.skip(1);
  const std::uint8_t detect_mult = in.u8();
  const std::uint8_t length = in.u8();
  const bool authenticated = (flags & kAuthentication) != 0;
  if (version != kVersion) return BfdError::Version;
  if (length < (authenticated ? kAuthenticatedBytesMin : kBfdControlBytes) ||
      length > packet.size())
    return BfdError::Length;
  if (detect_mult == 0) return BfdError::DetectMult;
  if ((flags & kMultipoint) != 0) return BfdError::Multipoint;
  if (authenticated) return BfdError::Authentication;
  return std::nullopt;
}

}  // namespace

std::optional<BfdControl> parse_bfd(Bytes packet, BfdError& error) noexcept {
  ByteReader in(packet);
  BfdControl control;
  control.diag = static_cast<BfdDiag>(in.u8() & kDiagMask);
  const std::uint8_t flags = in.u8();
  control.state = static_cast<BfdState>(flags >> kStateShift);
  control.poll = (flags & kPoll) != 0;
  control.final = (flags & kFinal) != 0;
  control.control_plane_independent = (flags & kControlPlaneIndependent) != 0;
  control.demand = (flags & kDemand) != 0;
  control.detect_mult = in.u8();
  in.skip(1);
  control.my_discriminator = in.u32_be();
  control.your_discriminator = in.u32_be();
  control.desired_min_tx = read_interval(in);
  control.required_min_rx = read_interval(in);
  control.required_min_echo_rx = read_interval(in);
  if (!in.ok()) {
    error = BfdError::Length;
    return std::nullopt;
  }
  if (const auto head = head_error(packet, flags)) {
    error = *head;
    return std::nullopt;
  }
  const bool needs_your = control.state != BfdState::Down && control.state != BfdState::AdminDown;
  if (control.my_discriminator == 0 || (needs_your && control.your_discriminator == 0)) {
    error = BfdError::Discriminator;
    return std::nullopt;
  }
  return control;
}

void write_bfd(ByteWriter& out, const BfdControl& control) noexcept {
  out.u8(static_cast<std::uint8_t>(kVersion << kVersionShift |
                                   (static_cast<std::uint8_t>(control.diag) & kDiagMask)));
  out.u8(static_cast<std::uint8_t>(
      static_cast<unsigned>(control.state) << kStateShift | (control.poll ? kPoll : 0U) |
      (control.final ? kFinal : 0U) |
      (control.control_plane_independent ? kControlPlaneIndependent : 0U) |
      (control.demand ? kDemand : 0U)));
  out.u8(control.detect_mult);
  out.u8(kBfdControlBytes);
  out.u32_be(control.my_discriminator);
  out.u32_be(control.your_discriminator);
  write_interval(out, control.desired_min_tx);
  write_interval(out, control.required_min_rx);
  write_interval(out, control.required_min_echo_rx);
}

std::uint8_t detect_mult_for(std::uint32_t loss_ppm, Duration interval) noexcept {
  const double loss = static_cast<double>(std::min<std::uint32_t>(loss_ppm, kPpm)) / kPpm;
  const Duration jittered = interval * (kBfdJitterMinPpm + kBfdJitterMaxPpm) / (2 * kPpm);
  const double accepted =
      kBfdFalseAlarmsPerSecond * std::chrono::duration<double>(jittered).count();
  std::uint8_t mult = 1;
  for (double chance = loss; chance > accepted && mult < kBfdDetectMultMax; ++mult) chance *= loss;
  return mult;
}

BfdSession::BfdSession(Time now, const BfdSettings& settings, Random& random) noexcept
    : random_(&random),
      liveness_(settings.liveness),
      last_heard_(now),
      last_transmit_(now),
      last_sent_(now),
      next_transmit_(now),
      immediate_start_(now) {
  while (my_discriminator_ == 0) my_discriminator_ = static_cast<std::uint32_t>(random.u64());
  set_intervals(now, settings.intervals);
}

std::optional<BfdStateChange> BfdSession::on_control(Time now,
                                                     const BfdControl& received) noexcept {
  if (received.your_discriminator != 0 && received.your_discriminator != my_discriminator_)
    return std::nullopt;
  const BfdState before = state_;
  const bool restarted =
      your_discriminator_ != 0 && received.my_discriminator != your_discriminator_;
  your_discriminator_ = received.my_discriminator;
  remote_state_ = received.state;
  remote_desired_min_tx_ = received.desired_min_tx;
  remote_required_min_rx_ = received.required_min_rx;
  remote_detect_mult_ = received.detect_mult;
  last_heard_ = now;
  shift_ = {};
  if (received.final) on_final(now);
  if (state_ != BfdState::AdminDown) {
    // Whatever a restarted peer says, it is not the one that this end was Up with.
    step(restarted && state_ == BfdState::Up ? BfdState::Down : received.state);
    if (received.poll) final_due_ = now;
  }
  return settle(now, before);
}

void BfdSession::on_sign_of_life(Time now) noexcept {
  if (liveness_ == BfdLiveness::Strict) return;
  last_heard_ = now;
  shift_ = {};
}

void BfdSession::on_sent(Time now) noexcept { last_sent_ = now; }

std::optional<BfdStateChange> BfdSession::on_timer(Time now) noexcept {
  if (now < detection_deadline()) return std::nullopt;
  const BfdState before = state_;
  your_discriminator_ = 0;  // 6.8.1
  end_poll();
  if (state_ == BfdState::Init || state_ == BfdState::Up)
    set_state(BfdState::Down, BfdDiag::DetectionTimeExpired);
  return settle(now, before);
}

void BfdSession::shift_deadline(Duration late) noexcept {
  check(late >= Duration::zero());
  shift_ += late;
}

void BfdSession::set_patience(Duration patience) noexcept {
  if (liveness_ == BfdLiveness::AnyPacket) patience_ = patience;
}

void BfdSession::set_intervals(Time now, const BfdIntervals& intervals) noexcept {
  check(intervals.desired_min_tx >= 1us && intervals.desired_min_tx <= kIntervalMax &&
        intervals.required_min_rx >= 1us && intervals.required_min_rx <= kIntervalMax &&
        intervals.detect_mult > 0);
  intervals_ = intervals;
  (void)settle(now, state_);
}

std::optional<BfdStateChange> BfdSession::set_admin_down(Time now) noexcept {
  const BfdState before = state_;
  if (before == BfdState::AdminDown) return std::nullopt;
  final_due_ = kNever;
  set_state(BfdState::AdminDown, BfdDiag::AdministrativelyDown);
  return settle(now, before);
}

std::optional<BfdStateChange> BfdSession::clear_admin_down(Time now) noexcept {
  const BfdState before = state_;
  if (before != BfdState::AdminDown) return std::nullopt;
  set_state(BfdState::Down, BfdDiag::None);
  return settle(now, before);
}

std::optional<BfdStateChange> BfdSession::restart(Time now, BfdDiag diag) noexcept {
  const BfdState before = state_;
  forget_peer();
  if (state_ == BfdState::Init || state_ == BfdState::Up) set_state(BfdState::Down, diag);
  transmit_now(now);
  return settle(now, before);
}

std::optional<BfdControl> BfdSession::poll_transmit(Time now) noexcept {
  if (now >= final_due_) return transmit(now, Kind::Final);
  if (now < next_transmit_) return std::nullopt;
  const bool may_skip = liveness_ == BfdLiveness::AnyPacket && state_ == BfdState::Up &&
                        remote_state_ == BfdState::Up && !has_poll_due(now) &&
                        content() == last_content_ && last_sent_ > last_transmit_ &&
                        armed_interval_ > Duration::zero();
  if (may_skip) {
    const Time due = std::min(last_sent_ + jittered(armed_interval_),
                              last_transmit_ + kBfdSkippedIntervalsMax * armed_interval_);
    if (due > now) {
      next_transmit_ = due;
      return std::nullopt;
    }
  }
  return transmit(now, Kind::Periodic);
}

Time BfdSession::next_timeout() const noexcept {
  return std::min({final_due_, next_transmit_, detection_deadline()});
}

Duration BfdSession::detection_time() const noexcept {
  if (your_discriminator_ == 0) return Duration::zero();
  const Duration interval = std::max(used_min_rx_, remote_desired_min_tx_);
  const Duration product = remote_detect_mult_ * interval;
  if (patience_ < interval || remote_detect_mult_ >= kBfdDetectMultMax) return product;
  return std::min(product + patience_ / interval * interval, kBfdDetectMultMax * interval);
}

Duration BfdSession::transmit_interval() const noexcept {
  if (remote_required_min_rx_ == Duration::zero()) return Duration::zero();
  return std::max(used_min_tx_, remote_required_min_rx_);
}

/// 6.8.3: at least a second while not Up.
Duration BfdSession::announced_min_tx() const noexcept {
  if (state_ == BfdState::Up) return intervals_.desired_min_tx;
  return std::max(intervals_.desired_min_tx, kBfdSlowInterval);
}

/// 6.8.7: so that the packets of many sessions do not fall into step.
Duration BfdSession::jittered(Duration interval) noexcept {
  const std::uint32_t top = intervals_.detect_mult == 1 ? kBfdJitterMaxMult1Ppm : kBfdJitterMaxPpm;
  const auto ppm =
      static_cast<std::int64_t>(kBfdJitterMinPpm + random_->below(top - kBfdJitterMinPpm + 1));
  return interval * ppm / kPpm;
}

Time BfdSession::detection_deadline() const noexcept {
  if (your_discriminator_ == 0) return kNever;
  return last_heard_ + detection_time() + shift_;
}

BfdControl BfdSession::content() const noexcept {
  return {.diag = diag_,
          .state = state_,
          .detect_mult = intervals_.detect_mult,
          .my_discriminator = my_discriminator_,
          .your_discriminator = your_discriminator_,
          .desired_min_tx = announced_min_tx_,
          .required_min_rx = announced_min_rx_};
}

BfdControl BfdSession::transmit(Time now, Kind kind) noexcept {
  BfdControl control = content();
  last_content_ = control;
  last_transmit_ = now;
  if (kind == Kind::Final) {
    final_due_ = kNever;
    control.final = true;
    // P and F exclude each other: a Poll that is due goes in a packet of its own.
    if (next_transmit_ > now || has_poll_due(now)) return control;
  } else if (has_poll_due(now)) {
    poll_ = Poll::Running;
    control.poll = true;
  }
  next_transmit_ = armed_interval_ > Duration::zero() ? now + jittered(armed_interval_) : kNever;
  return control;
}

bool BfdSession::has_poll_due(Time now) const noexcept {
  return poll_ == Poll::Running || (poll_ == Poll::Waiting && now >= poll_not_before_);
}

/// The state machine of 6.8.6; not in AdminDown.
void BfdSession::step(BfdState received) noexcept {
  if (received == BfdState::AdminDown) {
    if (state_ != BfdState::Down) set_state(BfdState::Down, BfdDiag::NeighborSignaledDown);
    return;
  }
  switch (state_) {
    case BfdState::AdminDown:
      return;
    case BfdState::Down:
      if (received == BfdState::Down) set_state(BfdState::Init, diag_);
      if (received == BfdState::Init) set_state(BfdState::Up, BfdDiag::None);
      return;
    case BfdState::Init:
      if (received != BfdState::Down) set_state(BfdState::Up, BfdDiag::None);
      return;
    case BfdState::Up:
      if (received == BfdState::Down) set_state(BfdState::Down, BfdDiag::NeighborSignaledDown);
      return;
  }
}

void BfdSession::set_state(BfdState state, BfdDiag diag) noexcept {
  state_ = state;
  diag_ = diag;
}

void BfdSession::start_poll(Time now) noexcept {
  if (poll_ == Poll::Running) poll_again_ = true;
  if (poll_ == Poll::None) poll_ = now < poll_not_before_ ? Poll::Waiting : Poll::Running;
}

/// The end of a Poll Sequence (6.5). A Final says nothing of parameters that changed after its
/// Poll, so these need another one.
void BfdSession::on_final(Time now) noexcept {
  if (poll_ != Poll::Running) return;
  poll_not_before_ = now + kBfdPollGap;
  if (poll_again_) {
    poll_again_ = false;
    poll_ = Poll::Waiting;
    return;
  }
  end_poll();
}

void BfdSession::end_poll() noexcept {
  poll_ = Poll::None;
  poll_again_ = false;
  used_min_tx_ = announced_min_tx_;
  used_min_rx_ = announced_min_rx_;
}

void BfdSession::forget_peer() noexcept {
  your_discriminator_ = 0;
  remote_state_ = BfdState::Down;
  remote_desired_min_tx_ = {};
  remote_required_min_rx_ = 1us;
  remote_detect_mult_ = 0;
  final_due_ = kNever;
  end_poll();
}

/// 6.8.3: new parameters are announced at once and polled for. While Up, slower sending and faster
/// expectation wait for the Final.
void BfdSession::announce(Time now) noexcept {
  const Duration min_tx = announced_min_tx();
  const Duration min_rx = intervals_.required_min_rx;
  if (min_tx == announced_min_tx_ && min_rx == announced_min_rx_) return;
  announced_min_tx_ = min_tx;
  announced_min_rx_ = min_rx;
  const bool is_up = state_ == BfdState::Up;
  used_min_tx_ = is_up ? std::min(used_min_tx_, min_tx) : min_tx;
  used_min_rx_ = is_up ? std::max(used_min_rx_, min_rx) : min_rx;
  if (your_discriminator_ != 0) start_poll(now);
}

/// 6.8.3: a shorter interval counts from the last packet on.
void BfdSession::rearm() noexcept {
  const Duration interval = transmit_interval();
  if (interval == armed_interval_) return;
  armed_interval_ = interval;
  next_transmit_ = interval == Duration::zero()
                       ? kNever
                       : std::min(next_transmit_, last_transmit_ + jittered(interval));
}

/// 6.8.7: a change is told at once, but two ends that keep changing cannot make a storm of it.
void BfdSession::transmit_now(Time now) noexcept {
  if (next_transmit_ <= now) return;
  if (now - immediate_start_ >= kBfdImmediateSpan) {
    immediate_start_ = now;
    immediate_count_ = 0;
  }
  if (immediate_count_ >= kBfdImmediateCountMax) {
    next_transmit_ = std::min(next_transmit_, immediate_start_ + kBfdImmediateSpan);
    return;
  }
  ++immediate_count_;
  next_transmit_ = now;
}

/// What every input ends with: parameters, timer and news follow from the state.
std::optional<BfdStateChange> BfdSession::settle(Time now, BfdState before) noexcept {
  announce(now);
  rearm();
  if (content() != last_content_) transmit_now(now);
  if (state_ == before) return std::nullopt;
  return BfdStateChange{before, state_, diag_, now};
}

}  // namespace wanbond
