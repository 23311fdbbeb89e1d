#include "sched/resequencer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/sequence.h"

namespace wanbond {
namespace {

// While copies for a stream keep arriving its hole waits so long after each, but not for ever.
constexpr Duration kCopyPatience = 60ms;
constexpr Duration kCopyPatienceMax = 400ms;
// What is missing for so long comes no more; also, numbers wrap after a while.
constexpr Duration kMissingLife = 3s;
// Numbers before the first one seen that may still come.
constexpr std::uint32_t kBeforeFirst = 64;
// A step larger than this in a stream that may be new to us: it is another one.
constexpr std::int32_t kRestartDistance = 1 << 20;

constexpr std::uint32_t wrap(std::uint32_t sequence) noexcept { return sequence & 0xff'ffff; }

}  // namespace

void Resequencer::begin(Time now, Stream& stream, std::uint32_t sequence) noexcept {
  stream.is_known = true;
  stream.missing_count = 0;
  stream.next = sequence;
  add_missing(now, stream, wrap(sequence - kBeforeFirst), sequence);
}

/// Notes [first, end) as passed over; forgets the oldest range when there are too many.
void Resequencer::add_missing(Time now, Stream& stream, std::uint32_t first,
                              std::uint32_t end) noexcept {
  if (now - stream.missing_since > kMissingLife) stream.missing_count = 0;
  if (stream.missing_count == kMissingMax) {
    std::move(stream.missing.begin() + 1, stream.missing.end(), stream.missing.begin());
    --stream.missing_count;
  }
  stream.missing[stream.missing_count++] = {first, wrap(end - 1)};
  stream.missing_since = now;
}

/// True if this number was passed over; then it is not any more.
bool Resequencer::take_missing(Time now, Stream& stream, std::uint32_t sequence) noexcept {
  if (now - stream.missing_since > kMissingLife) stream.missing_count = 0;
  for (std::uint8_t i = 0; i < stream.missing_count; ++i) {
    Range& range = stream.missing[i];
    if (sequence_distance(sequence, range.first) < 0 || sequence_distance(sequence, range.last) > 0)
      continue;
    const Range before{range.first, wrap(sequence - 1)};
    const Range after{wrap(sequence + 1), range.last};
    const bool has_before = sequence != range.first;
    const bool has_after = sequence != range.last;
    if (has_before && has_after) {
      range = after;
      // Splitting a full list costs its oldest range, or the older half if that is this one.
      if (stream.missing_count < kMissingMax) {
        std::move_backward(stream.missing.begin() + i,
                           stream.missing.begin() + stream.missing_count,
                           stream.missing.begin() + stream.missing_count + 1);
        stream.missing[i] = before;
        ++stream.missing_count;
      } else if (i > 0) {
        std::move(stream.missing.begin() + 1, stream.missing.begin() + i, stream.missing.begin());
        stream.missing[i - 1U] = before;
      }
    } else if (has_before || has_after) {
      range = has_before ? before : after;
    } else {
      std::move(stream.missing.begin() + i + 1, stream.missing.begin() + stream.missing_count,
                stream.missing.begin() + i);
      --stream.missing_count;
    }
    return true;
  }
  return false;
}

Resequencer::Verdict Resequencer::push_out_of_order(Time now, Stream& stream,
                                                    const SequencedArrival& arrival) noexcept {
  if (!stream.is_known) begin(now, stream, arrival.sequence);
  std::int32_t distance = sequence_distance(arrival.sequence, stream.next);
  if ((arrival.flags & SequencedArrival::kFirst) != 0 && std::abs(distance) > kRestartDistance) {
    while (stream.head != kNone) release_head(stream);
    begin(now, stream, arrival.sequence);
    settle(arrival.stream, stream);
    distance = 0;
  }
  if (distance < 0) return push_behind(now, stream, arrival);
  if (distance > 0) return push_beyond(now, stream, arrival);
  stream.next = wrap(stream.next + 1);
  absorb(stream);
  settle(arrival.stream, stream);
  return is_void(arrival) ? Verdict::Held : Verdict::Pass;
}

Resequencer::Verdict Resequencer::push_behind(Time now, Stream& stream,
                                              const SequencedArrival& arrival) noexcept {
  if (!take_missing(now, stream, arrival.sequence)) {
    ++counters_.duplicates;
    return Verdict::Duplicate;
  }
  if (is_void(arrival)) return Verdict::Held;
  ++counters_.late;
  return Verdict::Pass;
}

Resequencer::Verdict Resequencer::push_beyond(Time now, Stream& stream,
                                              const SequencedArrival& arrival) noexcept {
  if ((arrival.flags & SequencedArrival::kOrdered) == 0 && stream.head == kNone) {
    add_missing(now, stream, stream.next, arrival.sequence);
    stream.next = stream.expected = wrap(arrival.sequence + 1);
    return is_void(arrival) ? Verdict::Held : Verdict::Pass;
  }
  Packet copy;
  if (!is_void(arrival)) copy = pool_.acquire_spare(arrival.content.size());
  if (!is_void(arrival) && !copy.valid() && oldest_ != kNone) {
    skip_hole(now, oldest_);
    if (sequence_distance(arrival.sequence, stream.next) <= 0)
      return push_out_of_order(now, stream, arrival);
  }
  const std::uint16_t node = make_node();
  if (node == kNone) {  // kHeldMax are held: this stream does not wait any more
    if (stream.head != kNone) skip_hole(now, arrival.stream);
    if (sequence_distance(arrival.sequence, stream.next) < 0)
      return push_behind(now, stream, arrival);
    while (stream.head != kNone) release_head(stream);
    add_missing(now, stream, stream.next, arrival.sequence);
    stream.next = wrap(arrival.sequence + 1);
    settle(arrival.stream, stream);
    return is_void(arrival) ? Verdict::Held : Verdict::Pass;
  }
  nodes_[node].sequence = arrival.sequence;
  nodes_[node].flags = arrival.flags;
  nodes_[node].note = arrival.note;
  nodes_[node].since = now;
  if (!insert(stream, node)) {
    free_node(node);
    ++counters_.duplicates;
    return Verdict::Duplicate;
  }
  // Without a buffer it goes out at once, before its turn; its number counts as delivered.
  const bool waits = copy.valid();
  if (waits) {
    copy.resize(arrival.content.size());
    std::memcpy(copy.bytes().data(), arrival.content.data(), arrival.content.size());
    nodes_[node].packet = std::move(copy);
    ++held_;
  }
  if ((arrival.flags & SequencedArrival::kCopy) != 0 && is_listed(arrival.stream, stream)) {
    const Time later = std::min(now + kCopyPatience, stream.since + hold_ + kCopyPatienceMax);
    if (later > stream.deadline) {
      unlist_hole(stream);
      stream.deadline = later;
      list_hole(arrival.stream, stream);
    }
  }
  absorb(stream);  // a skipped hole may have made it the next
  settle(arrival.stream, stream);
  return waits || is_void(arrival) ? Verdict::Held : Verdict::Pass;
}

/// Puts a node at its place in the stream; false if that number is there already.
bool Resequencer::insert(Stream& stream, std::uint16_t node) noexcept {
  const std::uint32_t sequence = nodes_[node].sequence;
  if (sequence_distance(sequence, stream.next) < 0) return false;
  nodes_[node].next = kNone;
  if (stream.tail == kNone || sequence_distance(sequence, nodes_[stream.tail].sequence) > 0) {
    (stream.tail == kNone ? stream.head : nodes_[stream.tail].next) = node;
    stream.tail = node;
    return true;
  }
  std::uint16_t* link = &stream.head;
  while (sequence_distance(sequence, nodes_[*link].sequence) > 0) link = &nodes_[*link].next;
  if (nodes_[*link].sequence == sequence) return false;
  nodes_[node].next = *link;
  nodes_[node].since = nodes_[*link].since;
  *link = node;
  return true;
}

std::uint16_t Resequencer::make_node() noexcept {
  if (free_head_ != kNone) return std::exchange(free_head_, nodes_[free_head_].next);
  if (nodes_.size() == kHeldMax) return kNone;
  nodes_.emplace_back();
  return static_cast<std::uint16_t>(nodes_.size() - 1);
}

void Resequencer::free_node(std::uint16_t node) noexcept {
  nodes_[node].packet = Packet();
  nodes_[node].next = free_head_;
  free_head_ = node;
}

/// Moves the first held packet of a stream to the released ones.
void Resequencer::release_head(Stream& stream) noexcept {
  const std::uint16_t node = stream.head;
  stream.head = nodes_[node].next;
  if (stream.head == kNone) stream.tail = kNone;
  if (!nodes_[node].packet.valid()) return free_node(node);
  --held_;
  nodes_[node].next = kNone;
  (released_tail_ == kNone ? released_head_ : nodes_[released_tail_].next) = node;
  released_tail_ = node;
}

/// Releases what is in order now.
void Resequencer::absorb(Stream& stream) noexcept {
  while (stream.head != kNone && nodes_[stream.head].sequence == stream.next) {
    release_head(stream);
    stream.next = wrap(stream.next + 1);
  }
}

/// After `next` or the held packets changed: the hole's deadline and place in the list.
void Resequencer::settle(std::uint16_t id, Stream& stream) noexcept {
  stream.expected = stream.head == kNone ? stream.next : kNoSequence;
  const bool listed = is_listed(id, stream);
  if (stream.head == kNone) {
    if (listed) unlist_hole(stream);
    return;
  }
  const Time since = nodes_[stream.head].since;
  if (listed && stream.since == since) return;  // the same hole, or one as old
  if (listed) unlist_hole(stream);
  stream.since = since;
  stream.deadline = since + hold_;
  list_hole(id, stream);
}

/// Nearly always at the end: holds differ little.
void Resequencer::list_hole(std::uint16_t id, Stream& stream) noexcept {
  std::uint16_t after = youngest_;
  while (after != kNone && stream_at(after).deadline > stream.deadline)
    after = stream_at(after).older;
  const std::uint16_t before = after == kNone ? oldest_ : stream_at(after).younger;
  stream.older = after;
  stream.younger = before;
  (after == kNone ? oldest_ : stream_of(after).younger) = id;
  (before == kNone ? youngest_ : stream_of(before).older) = id;
}

void Resequencer::unlist_hole(Stream& stream) noexcept {
  (stream.older == kNone ? oldest_ : stream_of(stream.older).younger) = stream.younger;
  (stream.younger == kNone ? youngest_ : stream_of(stream.younger).older) = stream.older;
  stream.older = stream.younger = kNone;
}

void Resequencer::skip_hole(Time now, std::uint16_t id) noexcept {
  Stream& stream = stream_of(id);
  ++counters_.timeouts;
  add_missing(now, stream, stream.next, nodes_[stream.head].sequence);
  stream.next = nodes_[stream.head].sequence;
  absorb(stream);
  settle(id, stream);
}

void Resequencer::on_timer(Time now) noexcept {
  while (oldest_ != kNone && stream_of(oldest_).deadline <= now) skip_hole(now, oldest_);
}

Time Resequencer::next_timeout() const noexcept {
  return oldest_ == kNone ? kNever : stream_at(oldest_).deadline;
}

void Resequencer::reset() noexcept {
  while (oldest_ != kNone) {
    Stream& stream = stream_of(oldest_);
    while (stream.head != kNone) release_head(stream);
    settle(oldest_, stream);
  }
  for (const auto& chunk : chunks_) {
    if (chunk == nullptr) continue;
    for (Stream& stream : *chunk) stream = {};
  }
}

std::optional<ReleasedPacket> Resequencer::take_released() noexcept {
  if (released_head_ == kNone) return {};
  const std::uint16_t node = released_head_;
  released_head_ = nodes_[node].next;
  if (released_head_ == kNone) released_tail_ = kNone;
  ReleasedPacket released{std::move(nodes_[node].packet), nodes_[node].flags, nodes_[node].note};
  free_node(node);
  return released;
}

}  // namespace wanbond
