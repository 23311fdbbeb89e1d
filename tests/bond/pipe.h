// Pipe: one direction of a WAN in the scheduler's simulator. The link itself is the emulator's
// model, so that both mean the same by "a link".
#pragma once

#include <functional>
#include <vector>

#include "lab/link_model.h"
#include "tests/bond/datagram.h"
#include "tests/sim/world.h"

namespace wanbond::bond {

class Pipe {
 public:
  using Deliver = std::function<void(const Datagram&)>;
  Pipe(sim::World& world, const LinkSettings& settings, Deliver deliver);
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void send(const Datagram& datagram);
  void set(const LinkSettings& settings);
  const LinkSettings& settings() const noexcept { return model_.settings(); }
  bool is_cut() const noexcept { return settings().state == LinkState::Cut; }
  const LinkCounters& counters() const noexcept { return model_.counters(); }
  std::uint64_t queue_bytes() const noexcept { return model_.queue_bytes(); }

 private:
  void flush();
  void arm();

  sim::World& world_;
  Deliver deliver_;
  LinkModel model_;
  std::vector<Datagram> slots_;  // by LinkPacket::handle
  std::vector<std::uint32_t> free_;
  Time armed_ = kNever;
};

}  // namespace wanbond::bond
