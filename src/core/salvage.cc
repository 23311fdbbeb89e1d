#include "core/salvage.h"

#include <algorithm>
#include <tuple>

#include "proto/limits.h"
#include "proto/wire.h"

namespace wanbond {
namespace {

// Repairs of single losses may take 1/32 of what is sent, and this much at once. A path that loses
// more is short of room, and whoever fills it must learn that.
constexpr std::uint64_t kCreditShare = 32;
constexpr std::uint64_t kCreditMax = 256 << 10;
// The receiver waits no longer than this for a packet.
constexpr Duration kUsefulFor = 500ms;

std::uint8_t copy_flags(const SentSegment& segment) noexcept {
  return static_cast<std::uint8_t>((segment.flags & ~kDataBacklogged) | kDataCopy);
}

}  // namespace

void Salvage::on_sent(std::uint64_t bytes) noexcept {
  credit_bytes_ = std::min(credit_bytes_ + bytes / kCreditShare, kCreditMax);
}

void Salvage::settle(const SentSegment& segment) noexcept {
  if (segment.is_kept()) retained_.release(segment.packet);
  if ((segment.flags & kDataFirst) != 0) flows_.on_acknowledged(segment.stream);
}

void Salvage::on_report(Time now, Path& reported, const FeedbackFrame& report,
                        const SendPath* route, Outbox& out) noexcept {
  if (report.largest_packet_number >= reported.next_number()) return;  // never sent
  SentLog& log = reported.sent_log();
  for (const NumberRange& range : acknowledged(report))
    log.on_acknowledged(now, range, [this](const SentSegment& segment) { settle(segment); });
  reported.on_acknowledged(now, report.largest_packet_number);
  find_lost(now, reported, route, out);
}

void Salvage::find_lost(Time now, Path& path, const SendPath* route, Outbox& out) noexcept {
  lost_.clear();
  path.sent_log().find_lost(now, path.reordering(), [this](const SentSegment& segment) {
    if (segment.is_kept()) lost_.push_back(segment);
  });
  if (lost_.empty()) return;
  if (route == nullptr) {
    for (const SentSegment& segment : lost_) retained_.release(segment.packet);
    return;
  }
  Job job{.now = now, .to = *route, .out = out};
  for (const SentSegment& segment : lost_) {
    if (!is_worth_repair(now, path, segment))
      give_up(job, segment);
    else if (send_again(job, segment))
      path.count_resent();
  }
}

/// It is there still, and the receiver may still wait for it.
bool Salvage::is_useful(Time now, const SentSegment& segment) const noexcept {
  return retained_.find(segment.packet) != nullptr &&
         now - retained_.kept_at(segment.packet) < kUsefulFor;
}

/// Pure acknowledgements are superseded by the next one. What is lost before a queue of ours is
/// lost because of it: the flow must see that and slow down.
bool Salvage::is_worth_repair(Time now, const Path& path,
                              const SentSegment& segment) const noexcept {
  if ((segment.flags & kDataOrdered) == 0 || !is_useful(now, segment)) return false;
  return !path.is_queued() && (policy_ == RepairPolicy::Unlimited || credit_bytes_ > 0);
}

void Salvage::rescue(Time now, Path& from) noexcept {
  from.sent_log().take_all([&](const SentSegment& segment) { add_rescued(now, from, segment); });
  sort_rescued();
}

void Salvage::copy(Time now, Path& from) noexcept {
  from.sent_log().look_at([&](SentSegment& segment) {
    add_rescued(now, from, segment);
    if (segment.is_kept()) segment.packet = SentSegment::kPlain;  // the copy is what is kept now
    return true;
  });
  sort_rescued();
}

void Salvage::add_rescued(Time now, Path& from, const SentSegment& segment) noexcept {
  if (!segment.is_kept()) return;
  rescued_.push_back(segment);
  if (is_useful(now, segment)) from.count_resent();
}

void Salvage::sort_rescued() noexcept {
  const auto next = rescued_.begin() + static_cast<std::ptrdiff_t>(rescued_at_);
  std::sort(next, rescued_.end(), [](const SentSegment& a, const SentSegment& b) {
    return std::tie(a.packet, a.segment) < std::tie(b.packet, b.segment);
  });
}

void Salvage::send_rescued(Time now, const SendPath& to, Outbox& out) noexcept {
  const SentSegment segment = rescued_[rescued_at_++];
  Job job{.now = now, .to = to, .out = out};
  if (is_useful(now, segment))
    (void)send_again(job, segment);
  else
    give_up(job, segment);
  if (has_rescued()) return;
  rescued_ = {};
  rescued_at_ = 0;
}

bool Salvage::send_again(Job& job, const SentSegment& segment) noexcept {
  if (job.parsed != segment.packet) {
    job.parsed = segment.packet;
    job.super = SuperPacket::parse(retained_.find(segment.packet)->bytes());
  }
  const Marking marking{.stream = segment.stream,
                        .sequence = segment.sequence,
                        .flags = copy_flags(segment),
                        .kept = segment.packet};
  if (!egress_.send_segment(job.now, *job.super, segment.segment, job.to, marking, job.out)) {
    give_up(job, segment);
    return false;
  }
  const std::uint64_t bytes = job.super->segment_bytes(segment.segment);
  credit_bytes_ -= std::min(credit_bytes_, bytes);
  return true;
}

void Salvage::give_up(const Job& job, const SentSegment& segment) noexcept {
  if ((segment.flags & kDataOrdered) != 0)
    egress_.send_void(
        job.now,
        {.stream = segment.stream, .sequence = segment.sequence, .flags = copy_flags(segment)},
        job.to.path, job.out);
  retained_.release(segment.packet);
}

}  // namespace wanbond
