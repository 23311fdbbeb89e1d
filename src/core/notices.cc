#include "core/notices.h"

#include <algorithm>

#include "base/sequence.h"

namespace wanbond {

void Notices::tell(Time now, PathStatusFrame status) {
  const std::size_t subject = status.path.value;
  const bool is_up = status.state == WirePathState::Up;
  // What never left need not be taken back.
  const auto old = std::find_if(pending_.begin(), pending_.end(),
                                [&](const Pending& p) { return p.subject == subject; });
  if (is_up && old != pending_.end() && old->sent_count == 0) {
    pending_.erase(old);
    told_[subject] = false;
    return;
  }
  told_[subject] = !is_up;
  status.sequence = next_sequence_++;
  put(now, subject, status.sequence, status);
}

void Notices::tell(Time now, PathAbandonFrame end) {
  told_[end.path.value] = false;
  end.sequence = next_sequence_++;
  put(now, end.path.value, end.sequence, end);
}

void Notices::tell(Time now, AddrFrame offer) {
  check(offer.address_id < kOfferedAddressCountMax);
  offer.sequence = next_sequence_++;
  put(now, kPathCountMax + offer.address_id, offer.sequence, offer);
}

void Notices::put(Time now, std::size_t subject, std::uint16_t sequence, const Word& word) {
  std::erase_if(pending_, [&](const Pending& p) { return p.subject == subject; });
  pending_.push_back({word, static_cast<std::uint16_t>(subject), sequence, 0, now});
}

void Notices::on_ack(const AckFrame& ack) noexcept {
  for (const std::uint16_t sequence : ack.sequences)
    std::erase_if(pending_, [&](const Pending& p) { return p.sequence == sequence; });
}

bool Notices::is_newer(std::size_t subject, std::uint16_t sequence) noexcept {
  Heard& heard = heard_[subject];
  if (heard.any && serial_distance<16>(sequence, heard.sequence) <= 0) return false;
  heard = {true, sequence};
  return true;
}

bool Notices::is_news(const PathStatusFrame& status) noexcept {
  return is_newer(status.path.value, status.sequence);
}

bool Notices::is_news(const PathAbandonFrame& end) noexcept {
  return is_newer(end.path.value, end.sequence);
}

bool Notices::is_news(const AddrFrame& offer) noexcept {
  return offer.address_id < kOfferedAddressCountMax &&
         is_newer(kPathCountMax + offer.address_id, offer.sequence);
}

void Notices::reset() noexcept {
  pending_.clear();
  told_ = {};
  heard_ = {};
}

Notices::Frames Notices::poll(Time now, Duration rtt) noexcept {
  Frames frames;
  const Duration wait = std::max(rtt * kControlRepeatHalfRtts / 2, kControlRepeatMin);
  for (Pending& pending : pending_) {
    if (pending.next > now) continue;
    const bool fits = std::visit([&](const auto& word) { return frames.push(word); }, pending.word);
    if (!fits) break;
    ++pending.sent_count;
    pending.next = now + wait;
  }
  // The last copy gets no answer any more: the peer is told by what else it sees.
  std::erase_if(pending_, [](const Pending& p) { return p.sent_count > kControlRepeatCountMax; });
  return frames;
}

Time Notices::next_timeout() const noexcept {
  Time next = kNever;
  for (const Pending& pending : pending_) next = std::min(next, pending.next);
  return next;
}

}  // namespace wanbond
