// What the hosts behind the two gateways of the scheduler's simulator say to each other. Packets
// are numbers, not bytes: only sizes and times matter here.
#pragma once

#include <array>
#include <cstdint>

#include "base/time.h"

namespace wanbond::bond {

/// Data bytes of a full TCP segment, and its packet's.
inline constexpr std::uint32_t kMssBytes = 1448;
inline constexpr std::uint16_t kSegmentBytes = 1500;

/// Segments [first, end).
struct SegmentBlock {
  std::uint32_t first = 0, end = 0;
};

/// What an acknowledgement says; RFC 2018 and 2883.
struct AckInfo {
  std::uint32_t cumulative = 0;
  std::array<SegmentBlock, 3> blocks{};  // the one that grew last in front
  std::uint8_t block_count = 0;
  bool has_duplicate = false;  // D-SACK
  bool has_echo = false;       // ECE
};

enum class InnerKind : std::uint8_t { Data, Ack, Ping };

/// One packet of the hosts.
struct InnerPacket {
  std::uint16_t flow = 0;
  std::uint16_t bucket = 0;  // of BondQueue, or the key of one
  int pinned = -1;           // to this WAN
  InnerKind kind = InnerKind::Data;
  bool is_ect = false, is_ce = false;
  std::uint16_t bytes = kSegmentBytes;
  std::uint32_t segment = 0;
  Time sent{};
  AckInfo ack;
};

}  // namespace wanbond::bond
