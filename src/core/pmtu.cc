#include "core/pmtu.h"

#include <algorithm>
#include <array>
#include <utility>

namespace wanbond {
namespace {

// IP packets that links of the Internet carry: Ethernet, PPPoE, and the usual tunnels over them.
constexpr std::array<std::size_t, 10> kUsualMtus{1500, 1492, 1480, 1460, 1440,
                                                 1420, 1400, 1380, 1360, 1340};
// The first round tries only these, beside the interface's own: nearly every path is one of them.
constexpr std::size_t kFirstTries = 2;
// A search that is so near its end is over: finer steps gain less than 1 %.
constexpr std::size_t kGranularityBytes = 8;
// Large data sent within this time may be what a report calls lost.
constexpr Duration kLargeRecent = 1s;
// A loss is a weak reason for a check, and most losses have another cause.
constexpr Duration kWeakCheckGap = 1s;
// Losses of which nothing large can have arrived are a strong one.
constexpr Duration kStrongCheckGap = 100ms;
// What was sent before the small probe arrives before it, or soon after.
constexpr Duration kReorderGrace = 5ms;
// A check's round without any answer; not the size's fault, so it is repeated, but not for ever.
constexpr Duration kSilentRoundMin = 200ms;
constexpr unsigned kSilentRoundsMax = 10;

}  // namespace

void PathMtu::start(Time now, const PmtuLimits& limits) noexcept {
  if (phase_ != Phase::Disabled) return;
  if (limits != limits_) {
    limits_ = limits;
    size_ = std::min(kPmtuBaseBytes, limits.payload_bytes_max);
  }
  too_large_ = limits_.payload_bytes_max + 1;
  phase_ = Phase::Searching;
  if (size_ > kPmtuBaseBytes)
    begin_check(now);
  else
    begin_ladder(now);
}

void PathMtu::set_limits(Time now, const PmtuLimits& limits) noexcept {
  if (limits == limits_) return;
  limits_ = limits;
  size_ = std::min(size_, limits.payload_bytes_max);
  too_large_ = limits.payload_bytes_max + 1;
  if (phase_ == Phase::Disabled) return;
  check_.reset();
  begin_ladder(now);
}

void PathMtu::stop() noexcept {
  phase_ = Phase::Disabled;
  search_.reset();
  check_.reset();
  queue_.clear();
  sent_.clear();
  last_report_.reset();
  deadline_ = again_at_ = kNever;
}

void PathMtu::on_report(Time now, const Report& report) noexcept {
  if (last_report_ && report.packets >= last_report_->packets &&
      report.largest <= last_report_->largest)
    return;  // says nothing new, or was overtaken
  const std::optional<Report> before = std::exchange(last_report_, report);
  if (!before || report.packets < before->packets || report.largest < before->largest) return;
  const std::uint32_t packets = report.packets - before->packets;
  if (packets >= report.largest - before->largest) return;  // nothing is missing
  if (large_sent_at_ == Time{} || now - large_sent_at_ > kLargeRecent) return;
  // Each of the others has at least the bytes of an empty CTRL.
  const std::size_t around = packets == 0 ? 0 : (packets - 1) * kCtrlOverheadBytes;
  const bool none_large = report.bytes - before->bytes <= kPmtuBaseBytes + around;
  if (none_large || now >= check_allowed_) begin_check(now);
}

// While a search runs it may be one of its probes that was refused.
void PathMtu::on_too_big(Time now) noexcept {
  if (!search_) begin_check(now);
}

void PathMtu::begin_check(Time now) noexcept {
  if (phase_ == Phase::Disabled || check_ || size_ <= kPmtuBaseBytes || now < check_again_) return;
  check_ = Check{};
  check_allowed_ = now + kWeakCheckGap;
  send_check(now);
}

// The size in doubt first; what comes last is carried by every path, and arriving it shows that
// the path lives. From the second round on the sizes between them look for what still passes.
void PathMtu::send_check(Time now) noexcept {
  queue_.clear();
  (void)queue_.push(kPmtuBaseBytes);
  if (check_->lost > 0) {
    (void)queue_.push(kDataPayloadBytesMin);
    for (auto mtu = kUsualMtus.rbegin(); mtu != kUsualMtus.rend(); ++mtu) {
      const std::size_t bytes = *mtu - limits_.header_bytes;
      if (bytes > kDataPayloadBytesMin && bytes < size_)
        (void)queue_.push(static_cast<std::uint16_t>(bytes));
    }
  }
  (void)queue_.push(static_cast<std::uint16_t>(size_));
  send_round(now);
}

void PathMtu::send_round(Time now) noexcept {
  small_seen_ = false;
  deadline_ = now + (check_ ? std::max(kSilentRoundMin, 3 * rtt_) : probe_timer());
}

Duration PathMtu::probe_timer() const noexcept { return std::max(kPmtuProbeTimerMin, 3 * rtt_); }

PathMtu::Sizes PathMtu::ladder(unsigned round) const noexcept {
  Sizes sizes;
  const auto add = [&](std::size_t bytes) {
    const bool is_new = sizes.empty() || bytes < sizes.back();
    if (is_new && bytes > size_ && bytes < too_large_ && bytes >= kDataPayloadBytesMin)
      (void)sizes.push(static_cast<std::uint16_t>(bytes));
  };
  add(limits_.payload_bytes_max);
  for (std::size_t i = 0; i < (round == 0 ? kFirstTries : kUsualMtus.size()); ++i)
    add(kUsualMtus[i] - limits_.header_bytes);
  add(kDataPayloadBytesMin);
  return sizes;
}

void PathMtu::begin_ladder(Time now) noexcept {
  phase_ = Phase::Searching;
  again_at_ = kNever;
  search_ = Search{.sizes = ladder(0), .is_ladder = true};
  if (search_->sizes.empty()) return search_on(now);
  queue_search();
  send_round(now);
}

void PathMtu::queue_search() noexcept {
  queue_.clear();
  for (auto bytes = search_->sizes.end(); bytes != search_->sizes.begin();)
    (void)queue_.push(*--bytes);
}

void PathMtu::end_search_round(Time now) noexcept {
  ++search_->rounds;
  // The first round of a ladder does not have all of its sizes.
  if (search_->rounds < kPmtuProbesMax + (search_->is_ladder ? 1 : 0)) {
    if (search_->is_ladder) search_->sizes = ladder(search_->rounds);
    if (search_->sizes.empty()) return search_on(now);
    queue_search();
    return send_round(now);
  }
  for (const std::uint16_t bytes : search_->sizes)
    if (bytes > size_) too_large_ = std::min<std::size_t>(too_large_, bytes);
  search_on(now);
}

// Decides what to try next, or that the search is over.
void PathMtu::search_on(Time now) noexcept {
  search_.reset();
  queue_.clear();
  if (!carries_data()) return complete(now, Phase::Error);
  if (too_large_ - size_ <= kGranularityBytes || size_ >= limits_.payload_bytes_max)
    return complete(now, Phase::Complete);
  phase_ = Phase::Searching;
  again_at_ = kNever;
  search_ = Search{};
  const auto middle = static_cast<std::uint16_t>(size_ + (too_large_ - size_) / 2);
  (void)search_->sizes.push(middle);
  (void)queue_.push(middle);
  send_round(now);
}

void PathMtu::complete(Time now, Phase phase) noexcept {
  phase_ = phase;
  deadline_ = kNever;
  again_at_ = now + (phase == Phase::Error ? kPmtuErrorInterval : kPmtuRaiseInterval);
}

void PathMtu::on_ack(Time now, const PmtuAckFrame& ack) noexcept {
  const auto probe = std::find_if(sent_.begin(), sent_.end(), [&](const Probe& p) {
    return p.id == ack.id && p.bytes == ack.payload_bytes;
  });
  if (phase_ == Phase::Disabled || probe == sent_.end()) return;
  const std::size_t bytes = ack.payload_bytes;
  if (bytes >= too_large_) too_large_ = limits_.payload_bytes_max + 1;  // it was only late
  const bool is_small = ack.id == small_id_ && queue_.empty();
  if (is_small) small_seen_ = true;
  if (check_) {
    check_->best = std::max(check_->best, ack.payload_bytes);
    if (bytes >= size_) {
      size_ = bytes;
      return finish_check(now);
    }
    if (is_small) deadline_ = std::min(deadline_, now + kReorderGrace);
    return;
  }
  size_ = std::max(size_, bytes);
  if (!search_) return;
  if (bytes >= search_->sizes[0]) return search_on(now);
  // The usual sizes follow at once: waiting for the timer would bring nothing more of this round.
  if (is_small && search_->is_ladder && search_->rounds == 0)
    deadline_ = std::min(deadline_, now + kReorderGrace);
}

// The size passes: the losses had another cause.
void PathMtu::finish_check(Time now) noexcept {
  check_.reset();
  queue_.clear();
  check_again_ = now + kStrongCheckGap;
  deadline_ = search_ ? now + probe_timer() : kNever;
  if (phase_ == Phase::Searching && !search_) begin_ladder(now);
}

void PathMtu::end_check_round(Time now) noexcept {
  if (small_seen_)
    ++check_->lost;
  else
    ++check_->silent;
  if (check_->lost >= kPmtuProbesMax) return on_black_hole(now);
  // Nothing passes at all: BFD's matter.
  if (check_->silent >= kSilentRoundsMax) return finish_check(now);
  send_check(now);
}

void PathMtu::on_black_hole(Time now) noexcept {
  too_large_ = size_;
  size_ = std::max<std::size_t>(check_->best, std::min(kPmtuBaseBytes, limits_.payload_bytes_max));
  check_.reset();
  check_again_ = now + kStrongCheckGap;
  if (carries_data())
    search_on(now);
  else
    begin_ladder(now);
}

void PathMtu::on_timer(Time now) noexcept {
  if (!queue_.empty()) return;
  if (now >= deadline_) return check_ ? end_check_round(now) : end_search_round(now);
  if (now < again_at_ || check_) return;
  too_large_ = limits_.payload_bytes_max + 1;  // kPmtuRaiseInterval is over
  begin_ladder(now);
}

Time PathMtu::next_timeout() const noexcept {
  return queue_.empty() ? std::min(deadline_, check_ ? kNever : again_at_) : Time{};
}

std::optional<PmtuProbeFrame> PathMtu::poll_probe(Time) noexcept {
  if (queue_.empty()) return {};
  const Probe probe{++next_id_, queue_.pop()};
  if (queue_.empty()) small_id_ = probe.id;
  if (sent_.full()) {
    std::move(sent_.begin() + 1, sent_.end(), sent_.begin());
    (void)sent_.pop();
  }
  (void)sent_.push(probe);
  return PmtuProbeFrame{probe.id, probe.bytes};
}

}  // namespace wanbond
