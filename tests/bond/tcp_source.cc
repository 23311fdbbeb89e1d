#include "tests/bond/tcp_source.h"

#include <algorithm>
#include <cmath>

#include "sched/units.h"

namespace wanbond::bond {
namespace {

constexpr Duration kTimeoutMin = 200ms;
constexpr Duration kProbeMin = 10ms;
constexpr std::int64_t kDuplicates = 3;

}  // namespace

TcpSource::TcpSource(sim::World& world, const Settings& settings, Output output)
    : world_(world), settings_(settings), output_(std::move(output)), bbr_(settings.flow + 1U) {}

void TcpSource::start() {
  delivered_at_ = first_sent_ = pace_at_ = world_.now();
  send_what_fits();
}

void TcpSource::take(Segment& segment, std::uint32_t number, AckSample& sample) {
  const Time now = world_.now();
  ++sample.newly;
  ++delivered_;
  const Duration age = now - segment.sent;
  if (!segment.is_again && (sample.rtt < Duration{} || age < sample.rtt)) sample.rtt = age;
  if (!sample.has_rate || segment.delivered >= sample.delivered_then) {
    sample.has_rate = true;
    sample.delivered_then = segment.delivered;
    sample.delivered_at_then = segment.delivered_at;
    sample.sent = segment.sent;
    sample.first_sent = segment.first_sent;
  }
  const bool is_real = !segment.is_again || age >= rtt_min_;
  if (is_real &&
      (segment.sent > rack_sent_ || (segment.sent == rack_sent_ && number > rack_segment_))) {
    rack_sent_ = segment.sent;
    rack_segment_ = number;
    rack_rtt_ = age;
  }
  if (!segment.is_again && sacked_ > 0 && number < highest_sacked_) saw_reordering_ = true;
}

void TcpSource::take_blocks(const AckInfo& ack, AckSample& sample) {
  for (unsigned i = 0; i < ack.block_count; ++i) {
    const std::uint32_t end = std::min(ack.blocks[i].end, next_);
    for (std::uint32_t n = std::max(ack.blocks[i].first, una_); n < end; ++n) {
      Segment& segment = at(n);
      if (segment.is_sacked) continue;
      take(segment, n, sample);
      segment.is_sacked = true;
      ++sacked_;
      if (segment.is_lost) --lost_;
      if (segment.is_again_out) --again_out_;
      segment.is_lost = segment.is_again_out = false;
      highest_sacked_ = std::max(highest_sacked_, n);
    }
  }
}

void TcpSource::take_cumulative(std::uint32_t cumulative, AckSample& sample) {
  while (una_ < cumulative && !segments_.empty()) {
    Segment& segment = segments_.front();
    if (segment.is_sacked)
      --sacked_;
    else
      take(segment, una_, sample);
    if (segment.is_lost) --lost_;
    if (segment.is_again_out) --again_out_;
    segments_.pop_front();
    ++una_;
  }
}

void TcpSource::note_duplicate() {
  if (world_.now() - last_duplicate_ > report_.srtt) {
    reordering_steps_ = std::min(reordering_steps_ + 1, 255U);
    last_duplicate_ = world_.now();
  }
  saw_reordering_ = true;
  if (!may_undo_ || undo_left_ <= 0 || --undo_left_ > 0) return;
  cubic_.undo();
  may_undo_ = in_recovery_ = false;
  ++report_.undone;
}

void TcpSource::measure(Duration rtt) {
  if (rtt_min_ == Duration{} || rtt < rtt_min_) rtt_min_ = rtt;
  if (report_.srtt == Duration{}) {
    report_.srtt = rtt;
    rttvar_ = rtt / 2;
    return;
  }
  const Duration error = report_.srtt > rtt ? report_.srtt - rtt : rtt - report_.srtt;
  rttvar_ = (3 * rttvar_ + error) / 4;
  report_.srtt = (7 * report_.srtt + rtt) / 8;
}

void TcpSource::on_ack(const AckInfo& ack) {
  if (is_done() || ack.cumulative > next_) return;
  AckSample sample;
  sample.now = world_.now();
  const double flight_before = static_cast<double>(pipe());
  const bool advances = ack.cumulative > una_;
  take_blocks(ack, sample);
  take_cumulative(ack.cumulative, sample);
  if (sample.newly > 0) {
    delivered_at_ = sample.now;
    first_sent_ = sample.sent;
  }
  if (sample.rtt > Duration{}) measure(sample.rtt);
  if (advances) {
    backoff_ = 0;
    probe_sent_ = false;
    arm();
  }
  if (ack.has_duplicate) note_duplicate();
  if (in_recovery_) {
    prr_delivered_ += sample.newly;
    if (una_ >= recovery_end_) {
      in_recovery_ = false;
      if (!is_bbr()) cubic_.on_recovered();
    }
  }
  detect_losses();
  if (ack.has_echo && una_ >= echo_end_ && !in_recovery_ && !is_bbr()) {
    cubic_.on_loss();
    echo_end_ = next_;
    ++report_.recoveries;
  }
  sample.acknowledged = una_;
  sample.next = next_;
  sample.in_flight = static_cast<double>(pipe());
  sample.in_recovery = in_recovery_;
  const double window = cubic_.window();
  sample.is_window_limited = flight_before >= 0.9 * window - 1 || window < cubic_.threshold();
  is_bbr() ? bbr_.on_ack(sample) : cubic_.on_ack(sample);
  if (una_ >= settings_.segments) {
    report_.finished = sample.now;
    deadline_ = rack_deadline_ = kNever;
    return;
  }
  send_what_fits();
}

Duration TcpSource::reordering() const noexcept {
  if (saw_reordering_)
    return std::min<Duration>(rtt_min_ / 4 * static_cast<int>(reordering_steps_), report_.srtt);
  return in_recovery_ || sacked_ >= kDuplicates ? Duration{} : rtt_min_ / 4;
}

void TcpSource::mark_lost(Segment& segment) {
  if (!segment.is_lost) {
    segment.is_lost = true;
    ++lost_;
  }
  if (segment.is_again_out) {
    segment.is_again_out = false;
    --again_out_;
  }
}

void TcpSource::detect_losses() {
  rack_deadline_ = kNever;
  if (sacked_ == 0 && again_out_ == 0) return;
  const Duration window = reordering();
  bool found = false;
  for (std::uint32_t n = una_; n <= highest_sacked_ && n < next_; ++n) {
    Segment& segment = at(n);
    if (segment.is_sacked || (segment.is_lost && !segment.is_again_out)) continue;
    const bool is_older =
        segment.sent < rack_sent_ || (segment.sent == rack_sent_ && n < rack_segment_);
    if (!is_older) continue;
    const Time due = segment.sent + rack_rtt_ + window;
    if (due > world_.now()) {
      rack_deadline_ = std::min(rack_deadline_, due);
      continue;
    }
    mark_lost(segment);
    lost_hint_ = std::min(lost_hint_, n);
    lost_end_ = std::max(lost_end_, n + 1);
    found = true;
  }
  if (found && !in_recovery_) enter_recovery();
  if (rack_deadline_ != kNever) schedule(rack_deadline_);
}

void TcpSource::enter_recovery() {
  in_recovery_ = true;
  recovery_end_ = next_;
  prr_delivered_ = prr_sent_ = 0;
  prr_flight_ = std::max<std::int64_t>(1, static_cast<std::int64_t>(next_ - una_) - sacked_);
  may_undo_ = true;
  undo_left_ = 0;
  ++report_.recoveries;
  if (!is_bbr()) cubic_.on_loss();
}

// PRR (RFC 6937): in recovery what is sent follows what is delivered.
bool TcpSource::may_send(bool is_again) const noexcept {
  if (static_cast<double>(pipe()) + 1 > window() && !(in_recovery_ && is_again && prr_sent_ == 0))
    return false;
  if (!in_recovery_ || is_bbr()) return true;
  const double threshold = cubic_.threshold();
  double room = 0;
  if (static_cast<double>(pipe()) > threshold)
    room = std::ceil(static_cast<double>(prr_delivered_) * threshold /
                     static_cast<double>(prr_flight_)) -
           static_cast<double>(prr_sent_);
  else
    room = std::min(threshold - static_cast<double>(pipe()),
                    static_cast<double>(std::max<std::int64_t>(prr_delivered_ - prr_sent_, 0)) + 1);
  return room > 0 || (is_again && prr_sent_ == 0);
}

void TcpSource::send_what_fits() {
  while (!is_done()) {
    if (is_bbr() && pace_at_ > world_.now()) return schedule(pace_at_);
    std::uint32_t segment = next_;
    bool is_again = false;
    if (lost_ > again_out_) {
      for (lost_hint_ = std::max(lost_hint_, una_); lost_hint_ < lost_end_; ++lost_hint_)
        if (at(lost_hint_).is_lost && !at(lost_hint_).is_again_out) break;
      is_again = lost_hint_ < lost_end_;
      if (is_again) segment = lost_hint_;
    }
    if (!may_send(is_again)) return;
    if (!is_again && (next_ >= settings_.segments || next_ - una_ >= settings_.window_max)) return;
    if (!is_again) {
      segments_.emplace_back();
      ++next_;
    }
    transmit(segment, is_again);
    if (in_recovery_) ++prr_sent_;
    if (is_bbr())
      pace_at_ = std::max(pace_at_, world_.now() - 1ms) + from_seconds(1 / bbr_.pacing());
    if (deadline_ == kNever) arm();
  }
}

void TcpSource::transmit(std::uint32_t number, bool is_again) {
  Segment& segment = at(number);
  const Time now = world_.now();
  if (pipe() <= 1 && !is_again) first_sent_ = delivered_at_ = now;
  segment.sent = now;
  segment.delivered = delivered_;
  segment.delivered_at = delivered_at_;
  segment.first_sent = first_sent_;
  if (is_again) {
    segment.is_again = true;
    if (segment.is_lost && !segment.is_again_out) {
      segment.is_again_out = true;
      ++again_out_;
    }
    ++report_.retransmits;
    if (may_undo_) ++undo_left_;
  }
  InnerPacket packet;
  packet.flow = settings_.flow;
  packet.segment = number;
  packet.sent = now;
  packet.is_ect = settings_.is_ect;
  output_(packet);
}

Duration TcpSource::timeout() const noexcept {
  if (report_.srtt == Duration{}) return 1s;
  return (report_.srtt + std::max(kTimeoutMin, 4 * rttvar_)) * (1 << std::min(backoff_, 6U));
}

void TcpSource::arm() {
  if (una_ == next_) {
    deadline_ = kNever;
    return;
  }
  is_probe_timer_ = !probe_sent_ && !in_recovery_ && report_.srtt > Duration{};
  deadline_ = world_.now() +
              (is_probe_timer_ ? std::max<Duration>(2 * report_.srtt + 2ms, kProbeMin) : timeout());
  schedule(deadline_);
}

void TcpSource::schedule(Time at) {
  if (at >= armed_) return;
  armed_ = at;
  world_.at(at, [this, at] {
    if (armed_ != at) return;
    armed_ = kNever;
    on_timer();
  });
}

void TcpSource::on_timer() {
  if (is_done()) return;
  const Time now = world_.now();
  if (rack_deadline_ <= now) {
    detect_losses();
    send_what_fits();
  } else if (deadline_ <= now && is_probe_timer_) {  // TLP
    probe_sent_ = true;
    if (!at(next_ - 1).is_sacked) transmit(next_ - 1, true);
    is_probe_timer_ = false;
    deadline_ = now + timeout();
  } else if (deadline_ <= now) {
    on_timeout();
  } else {
    send_what_fits();
  }
  const Time pace = is_bbr() && pace_at_ > now ? pace_at_ : kNever;
  const Time next = std::min({deadline_, rack_deadline_, pace});
  if (next != kNever) schedule(next);
}

void TcpSource::on_timeout() {
  ++report_.timeouts;
  ++backoff_;
  is_bbr() ? bbr_.on_timeout() : cubic_.on_timeout();
  in_recovery_ = may_undo_ = probe_sent_ = false;
  for (Segment& segment : segments_)
    if (!segment.is_sacked) mark_lost(segment);
  lost_hint_ = una_;
  lost_end_ = next_;
  recovery_end_ = next_;
  deadline_ = kNever;
  send_what_fits();
  arm();
}

}  // namespace wanbond::bond
