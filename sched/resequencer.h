// Resequencer: puts the packets of each stream back in order, and lets each through once. Station 7
// of the way in (scheduling 5.8). One per session, on the receiving side.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/packet.h"
#include "base/time.h"

namespace wanbond {

/// One packet as its sender numbered it.
struct SequencedArrival {
  /// Wire flags that matter here; the values are those of DATA.
  static constexpr std::uint8_t kOrdered = 0x01;  // wait for what is missing before it
  static constexpr std::uint8_t kCopy = 0x02;     // sent again: others may follow
  static constexpr std::uint8_t kFirst = 0x04;    // the sender does not know yet whether we know
  static constexpr std::uint8_t kVoid = 0x40;     // no packet: do not wait for this number

  std::uint16_t stream = 0;    // 0: no order, no memory
  std::uint32_t sequence = 0;  // 24 bits
  std::uint8_t flags = 0;
  std::uint8_t note = 0;  // the caller's, given back with the content
  Bytes content;          // kept as it is while it waits; empty for a void
};

/// A packet that has waited.
struct ReleasedPacket {
  Packet packet;
  std::uint8_t flags = 0;
  std::uint8_t note = 0;
};

/// Promises: of one (stream, sequence) one packet passes; an ordered stream comes out in order but
/// for what came later than the hold time; nothing waits longer than that; no stream waits for
/// another. In order it costs one comparison. What waits is copied into a spare buffer; when there
/// is none, the oldest hole is given up.
class Resequencer {
 public:
  /// Streams above it are the sender's error; they are let through.
  static constexpr std::size_t kStreamsMax = 16384;
  static constexpr std::size_t kHeldMax = 8192;

  enum class Verdict : std::uint8_t {
    Pass,       // deliver it, then all of take_released()
    Held,       // it waits; or it was a void
    Duplicate,  // drop it
  };
  explicit Resequencer(PacketPool& pool) noexcept : pool_(pool) {}

  Verdict push(Time now, const SequencedArrival& arrival) noexcept {
    if (is_void(arrival)) ++counters_.voids;
    if (arrival.stream == 0 || arrival.stream > kStreamsMax) return Verdict::Pass;
    Stream& stream = stream_of(arrival.stream);
    if (arrival.sequence != stream.expected) return push_out_of_order(now, stream, arrival);
    stream.next = stream.expected = (arrival.sequence + 1) & kSequenceMask;
    return is_void(arrival) ? Verdict::Held : Verdict::Pass;
  }
  /// The next packet whose wait is over; call until none after every push() and on_timer().
  std::optional<ReleasedPacket> take_released() noexcept;
  bool has_released() const noexcept { return released_head_ != kNone; }
  /// Gives up the holes whose time is over.
  void on_timer(Time now) noexcept;
  Time next_timeout() const noexcept;
  /// How long a hole is held from the arrival of the first packet beyond it; counts for later ones.
  void set_hold(Duration hold) noexcept { hold_ = hold; }
  /// The sender is another process: all streams begin anew. What waits is released.
  void reset() noexcept;

  struct Counters {
    std::uint64_t late = 0;        // delivered behind their successors
    std::uint64_t duplicates = 0;  // dropped
    std::uint64_t timeouts = 0;    // holes given up, by time or for lack of room
    std::uint64_t voids = 0;       // packets that the sender said will not come
  };
  const Counters& counters() const noexcept { return counters_; }
  std::size_t held_count() const noexcept { return held_; }

 private:
  static constexpr std::uint32_t kSequenceMask = (1U << 24) - 1;
  static constexpr std::uint32_t kNoSequence = ~0U;
  static constexpr std::uint16_t kNone = 0xffff;
  static constexpr std::size_t kMissingMax = 8;
  static constexpr std::size_t kStreamsPerChunk = 64;

  struct Range {
    std::uint32_t first, last;
  };
  struct Stream {
    std::uint32_t expected = kNoSequence;  // next, if nothing is held and the stream is known
    std::uint32_t next = 0;
    std::uint16_t head = kNone, tail = kNone;      // held packets, ascending
    std::uint16_t older = kNone, younger = kNone;  // streams with a hole, by deadline
    bool is_known = false;
    std::uint8_t missing_count = 0;
    Time since{};                            // the hole before `head`: its first packet beyond
    Time deadline{};                         // and when it is given up
    Time missing_since{};                    // of the newest range
    std::array<Range, kMissingMax> missing;  // passed over and not come yet, oldest first
  };
  struct Held {
    Packet packet;  // not valid: the number is settled, there is nothing to deliver
    Time since{};   // when the first packet with this number or a higher one came
    std::uint32_t sequence = 0;
    std::uint16_t next = kNone;
    std::uint8_t flags = 0;
    std::uint8_t note = 0;
  };
  using Chunk = std::array<Stream, kStreamsPerChunk>;

  static bool is_void(const SequencedArrival& a) noexcept {
    return (a.flags & SequencedArrival::kVoid) != 0;
  }
  Stream& stream_of(std::uint16_t id) noexcept {
    std::unique_ptr<Chunk>& chunk = chunks_[(id - std::size_t{1}) / kStreamsPerChunk];
    if (chunk == nullptr) chunk = std::make_unique<Chunk>();
    return (*chunk)[(id - std::size_t{1}) % kStreamsPerChunk];
  }
  const Stream& stream_at(std::uint16_t id) const noexcept {
    return (*chunks_[(id - std::size_t{1}) / kStreamsPerChunk])[(id - 1U) % kStreamsPerChunk];
  }
  Verdict push_out_of_order(Time now, Stream& stream, const SequencedArrival& arrival) noexcept;
  Verdict push_behind(Time now, Stream& stream, const SequencedArrival& arrival) noexcept;
  Verdict push_beyond(Time now, Stream& stream, const SequencedArrival& arrival) noexcept;
  static void begin(Time now, Stream& stream, std::uint32_t sequence) noexcept;
  static void add_missing(Time now, Stream& stream, std::uint32_t first,
                          std::uint32_t end) noexcept;
  static bool take_missing(Time now, Stream& stream, std::uint32_t sequence) noexcept;
  bool insert(Stream& stream, std::uint16_t node) noexcept;
  std::uint16_t make_node() noexcept;
  void free_node(std::uint16_t node) noexcept;
  void release_head(Stream& stream) noexcept;
  void absorb(Stream& stream) noexcept;
  void settle(std::uint16_t id, Stream& stream) noexcept;
  void skip_hole(Time now, std::uint16_t id) noexcept;
  void list_hole(std::uint16_t id, Stream& stream) noexcept;
  void unlist_hole(Stream& stream) noexcept;
  bool is_listed(std::uint16_t id, const Stream& stream) const noexcept {
    return oldest_ == id || stream.older != kNone;
  }

  PacketPool& pool_;
  std::array<std::unique_ptr<Chunk>, kStreamsMax / kStreamsPerChunk> chunks_;
  std::vector<Held> nodes_;
  std::uint16_t free_head_ = kNone;
  std::uint16_t released_head_ = kNone, released_tail_ = kNone;
  std::uint16_t oldest_ = kNone, youngest_ = kNone;  // streams with a hole
  Duration hold_ = 150ms;
  std::size_t held_ = 0;
  Counters counters_;
};

}  // namespace wanbond
