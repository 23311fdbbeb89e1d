// The control frames of a path: what the peer's say, and which of ours are due.
#include <algorithm>
#include <utility>

#include "core/path.h"
#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// On the wire without its blocks: IPv4, UDP, CTRL, the frame's head and base.
constexpr std::size_t kFeedbackBytes =
    28 + kCtrlOverheadBytes + kFrameHeadBytes + kFeedbackBaseBytes;

}  // namespace

void Path::on_challenge(Time now, const PathChallengeFrame& frame,
                        const Arrival& arrival) noexcept {
  peer_rank_ = frame.priority + (frame.metered ? kMeteredRank : 0);
  PendingResponse response{arrival.from, {frame.token, arrival.from.remote}, arrival.bytes};
  if (!responses_.push(response)) return;  // the peer asks again
  if (origin_ == PathOrigin::Learned) start(now);
  // Who asks is there again: our own challenges have become rare meanwhile.
  const bool is_rare = validation_.next_timeout() > now + kDownChallengeFast;
  if (state_ == PathState::Down && is_rare && arrival.from.remote == address_.remote)
    validation_.recover(now, pace());
}

void Path::on_response(Time now, const PathResponseFrame& frame, const Arrival& arrival) noexcept {
  if (candidate_ && arrival.from.remote == candidate_->address.remote &&
      candidate_->validation.on_response(arrival.at, frame.token)) {
    move_to(now, candidate_->address);
    return;
  }
  const auto rtt = validation_.on_response(arrival.at, frame.token);
  if (!rtt || arrival.from.remote != address_.remote) return;
  rtt_.on_sample(now, *rtt, load_);
  if (candidate_) {  // the old address is alive: the new one was a copier, or comes too late
    refused_ = candidate_->address;
    refused_until_ = now + kValidationTimeout;
    candidate_.reset();
    validation_.stop();
  }
  if (!answered_) on_address_proven(now);
  if (state_ == PathState::Suspect) trust(now);
}

void Path::on_bfd(Time now, const BfdControl& control) noexcept {
  on_bfd_change(now, bfd_.on_control(now, control));
}

void Path::on_feedback(Time now, const FeedbackFrame& frame, const Arrival& arrival) noexcept {
  const auto elapsed = static_cast<std::uint16_t>(wire_stamp(arrival.at) - frame.stamp_echo);
  if (frame.held < 0xffff && frame.packet_count > 0)
    rtt_.on_sample(now, stamp_difference(elapsed, frame.held), load_);
  pmtu_.on_report(now, {frame.largest_packet_number, frame.packet_count, frame.byte_count});
  note_size();
  if (is_queued()) sent_.note_queue();
  sent_.on_report(now, {frame.largest_packet_number, frame.packet_count, frame.byte_count});
  update_profile(now);
  on_acknowledged(now, frame.largest_packet_number);
}

void Path::on_acknowledged(Time now, std::uint32_t largest) noexcept {
  const bool is_new = largest < next_number_ && largest >= suspect_number_;
  if (state_ == PathState::Suspect && is_new) trust(now);
}

void Path::on_peer_status(Time now, const PathStatusFrame& status) noexcept {
  const bool is_metered = peer_rank_ >= kMeteredRank;
  peer_rank_ = status.priority + (is_metered ? kMeteredRank : 0);
  peer_state_ = status.state;
  if (status.state != WirePathState::Down || !is_usable()) return;
  Cause cause = Cause::PeerSaysDown;
  if (status.reason == PathReason::Interface) cause = Cause::PeerLostWan;
  if (status.reason == PathReason::Admin) cause = Cause::AdminDown;
  go_down(now, cause);
  on_bfd_change(now, bfd_.restart(now, BfdDiag::NeighborSignaledDown));
}

void Path::on_name(const PathNameFrame& frame) { peer_name_ = frame.name(); }

FeedbackFrame Path::make_feedback(Time now) noexcept {
  last_feedback_ = now;
  rx_bytes_reported_ = counters_.rx_bytes;
  feedback_at_ = has_news_ ? now + kFeedbackIntervalSparse : kNever;
  reported_news_ = std::exchange(has_news_, false);
  FeedbackFrame frame;
  frame.path = id_;
  frame.stamp_echo = received_.newest_stamp();
  frame.held = stamp_span(std::max(Duration::zero(), now - received_.newest_at()));
  frame.arrived = received_.newest_arrival();
  frame.largest_packet_number = numbers_.ranges().front().last;
  frame.packet_count = received_.packets();
  frame.byte_count = received_.bytes();
  frame.late_count = received_.late();
  ByteWriter writer(block_bytes_);
  meter_.write_blocks(now, writer);
  const std::size_t runs_max = (writer.remaining() - kFrameHeadBytes - 2) / 4 + 1;
  const auto runs = numbers_.ranges();
  write_ack_ranges(writer, runs.first(std::min(runs.size(), runs_max)));
  frame.blocks = writer.written();
  feedback_cost_ = (kFeedbackBytes + frame.blocks.size()) * kFeedbackShare;
  return frame;
}

PathChallengeFrame Path::make_challenge(std::uint64_t token) const noexcept {
  return {.token = token, .priority = priority(), .metered = wan_.metered};
}

void Path::add_routine_frames(Time now, ControlPlan& plan) noexcept {
  const auto add = [&](const Frame& frame) { (void)plan.frames.push(frame); };  // 8 always fit
  if (confirm_due_) {
    confirm_due_ = false;
    add(ConfirmFrame{});
  }
  const auto token = may_challenge() ? validation_.poll(now, random_) : std::nullopt;
  if (token) {
    add(make_challenge(*token));
    if (!answered_) plan.padded_bytes = kValidationBytes;  // its size has been shown otherwise
    name_due_ = true;
  }
  if (name_due_ && !plan.frames.empty()) {
    name_due_ = false;
    if (const auto name = PathNameFrame::make(wan_.name)) add(*name);
  }
  if (!can_talk()) return;
  if (!acks_.sequences.empty()) add(std::exchange(acks_, {}));
  if (const auto control = bfd_.poll_transmit(now)) {
    add(BfdFrame::make(*control));
    feedback_at_ = now;  // rides along
  }
  if (now < feedback_at_) return;
  feedback_at_ = kNever;
  if (received_.any() && !numbers_.ranges().empty()) add(make_feedback(now));
}

std::optional<ControlPlan> Path::plan_response(Time now) noexcept {
  if (responses_.empty()) return {};
  const PendingResponse response = responses_.pop();
  ControlPlan plan{.to = response.to};
  (void)plan.frames.push(response.frame);
  if (response.to.remote == address_.remote) add_routine_frames(now, plan);
  plan.padded_bytes = response.bytes;  // shows the peer that this size comes back, too
  return plan;
}

std::optional<ControlPlan> Path::plan_candidate(Time now) noexcept {
  if (!candidate_) return {};
  const auto token = candidate_->validation.poll(now, random_);
  if (!token) return {};
  constexpr std::size_t kChallengeBytes = kCtrlOverheadBytes + kFrameHeadBytes + 16;
  const std::uint64_t allowed_bytes = candidate_->bytes_in * kAmplificationMax;
  if (candidate_->bytes_out + kChallengeBytes > allowed_bytes) return {};
  ControlPlan plan{.to = candidate_->address};
  (void)plan.frames.push(make_challenge(*token));
  candidate_->bytes_out += kChallengeBytes;
  return plan;
}

std::optional<ControlPlan> Path::poll_transmit(Time now) noexcept {
  if (auto plan = plan_admin_down(now)) return plan;
  if (is_blocked() || (state_ == PathState::Candidate && responses_.empty())) return {};
  if (auto plan = plan_response(now)) return plan;
  if (auto plan = plan_candidate(now)) return plan;
  if (auto plan = plan_size(now)) return plan;
  if (address_.remote.port == 0) return {};
  ControlPlan plan{.to = address_};
  add_routine_frames(now, plan);
  if (plan.frames.empty()) return {};
  return plan;
}

}  // namespace wanbond
