// TcpReceiver: the receiving end of the TCP model: puts the stream together, checks every byte,
// acknowledges with SACK (RFC 2018) and delayed acknowledgements (RFC 5681 4.2).
#pragma once

#include <cstdint>
#include <map>

#include "tests/sim/lan.h"
#include "tests/sim/world.h"

namespace wanbond::sim {

/// The byte at `offset` of every stream: not periodic in any packet size.
constexpr std::byte stream_byte(std::uint64_t offset) noexcept {
  return static_cast<std::byte>((offset * 0x9e3779b97f4a7c15) >> 56);
}
/// Sequence number of stream offset 0; the SYN has the one before.
inline constexpr std::uint32_t kStreamStart = 0xffff'0000;  // wraps early
/// The stream offset, near `expected`, of a sequence number.
std::uint64_t unwrap_sequence(std::uint32_t sequence, std::uint64_t expected) noexcept;
constexpr std::uint32_t wrap_sequence(std::uint64_t offset) noexcept {
  return kStreamStart + static_cast<std::uint32_t>(offset);
}

/// Listens on `who.from` of `lan` (so `who` is from the receiver's side).
class TcpReceiver {
 public:
  struct Report {
    std::uint64_t bytes = 0;    // in order
    std::uint64_t damaged = 0;  // segments whose content was not as sent
    std::uint64_t duplicates = 0;
    Duration gap_max{};  // longest time without progress, from the SYN on
    Time last_progress{};
  };
  TcpReceiver(World& world, Lan& lan, const Conversation& who, std::uint16_t mss_bytes);

  const Report& report() const noexcept { return report_; }
  /// The longest time without progress is counted anew from now on.
  void reset_gap() {
    report_.gap_max = {};
    report_.last_progress = world_.now();
  }

 private:
  void receive(const ParsedPacket& packet);
  void on_data(std::uint64_t offset, Bytes payload);
  void advance();
  void acknowledge();
  void acknowledge_later();
  void add_sacks(TcpHeader& header) const;

  World& world_;
  Lan& lan_;
  Conversation who_;
  std::uint16_t mss_bytes_;
  Report report_;
  std::map<std::uint64_t, std::uint64_t> islands_;  // received beyond a hole: start to end
  std::uint64_t latest_island_ = 0;                 // start of the one that grew last
  unsigned unacknowledged_ = 0;                     // segments
  std::uint64_t ack_number_ = 0;                    // tells delayed acknowledgements apart
};

}  // namespace wanbond::sim
