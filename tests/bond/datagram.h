// What travels between the two gateways of the scheduler's simulator.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/sequence.h"
#include "base/time.h"
#include "sched/bond_queue.h"
#include "sched/slot.h"
#include "sched/train.h"
#include "tests/bond/inner.h"

namespace wanbond::bond {

/// FEEDBACK on one path.
struct PathReport {
  std::uint8_t path = 0;
  std::uint32_t number = 0;  // of the report; a copy has the same
  Duration written{};
  std::vector<NumberRange> received;  // newest first
  std::uint32_t packets = 0;          // so far
  std::vector<SlotReport> slots;
  TrainReport train;
};

enum class DatagramKind : std::uint8_t { Data, Void, Train, Heartbeat, Report, Cross };

struct Datagram {
  DatagramKind kind = DatagramKind::Data;
  ArrivalKind arrival = ArrivalKind::Control;
  std::uint8_t path = 0;
  std::uint8_t flags = 0;  // the wire's
  std::uint16_t bytes = 0;
  std::uint16_t stream = 0;
  std::uint32_t sequence = 0;
  std::uint32_t number = 0;
  Time sent{};
  InnerPacket inner;
  std::shared_ptr<const std::vector<PathReport>> reports;
};

}  // namespace wanbond::bond
