// Notices: what a node tells its peer about paths and addresses, over whatever path works, until it
// is acknowledged: PATH_STATUS, PATH_ABANDON and ADDR (wanbond-protocol(7), ACK).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/fixed.h"
#include "base/ids.h"
#include "base/time.h"
#include "proto/frames.h"
#include "proto/limits.h"

namespace wanbond {

/// Promise: of each path and each address only the newest word is told; each is sent at once, then
/// after every 1.5 round trips until acknowledged, six times in all. A passive machine of one peer.
class Notices {
 public:
  /// Tells the state of a path, instead of what was to be told of it before. `sequence` is set
  /// here.
  void tell(Time now, PathStatusFrame status);
  void tell(Time now, PathAbandonFrame end);
  void tell(Time now, AddrFrame offer);
  /// True while an unacknowledged word other than Up about this path may have reached the peer, or
  /// has.
  bool has_told(PathId path) const noexcept { return told_[path.value]; }

  void on_ack(const AckFrame& ack) noexcept;
  /// Whether a frame of the peer says something new of its path or address; copies and older ones
  /// do not, but are acknowledged as well.
  bool is_news(const PathStatusFrame& status) noexcept;
  bool is_news(const PathAbandonFrame& end) noexcept;
  /// Also false when the address id is above what version 1 allows.
  bool is_news(const AddrFrame& offer) noexcept;
  /// The peer is another process: nothing said before counts.
  void reset() noexcept;

  using Frames = FixedVector<Frame, 8>;
  /// What is to be sent now, to be called only while a path is usable; call until empty. `rtt` is
  /// that of the fastest such path.
  Frames poll(Time now, Duration rtt) noexcept;
  Time next_timeout() const noexcept;

 private:
  using Word = std::variant<PathStatusFrame, PathAbandonFrame, AddrFrame>;
  /// Paths come first, then address ids.
  static constexpr std::size_t kSubjects = kPathCountMax + kOfferedAddressCountMax;
  struct Pending {
    Word word;
    std::uint16_t subject = 0;
    std::uint16_t sequence = 0;
    int sent_count = 0;
    Time next{};
  };
  struct Heard {
    bool any = false;
    std::uint16_t sequence = 0;
  };

  void put(Time now, std::size_t subject, std::uint16_t sequence, const Word& word);
  bool is_newer(std::size_t subject, std::uint16_t sequence) noexcept;

  std::vector<Pending> pending_;  // at most one per subject; empty as a rule
  std::uint16_t next_sequence_ = 1;
  std::array<bool, kPathCountMax> told_{};
  std::array<Heard, kSubjects> heard_{};
};

}  // namespace wanbond
