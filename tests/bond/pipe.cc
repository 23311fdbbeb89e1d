#include "tests/bond/pipe.h"

#include <utility>

namespace wanbond::bond {

Pipe::Pipe(sim::World& world, const LinkSettings& settings, Deliver deliver)
    : world_(world), deliver_(std::move(deliver)), model_(settings, world.random().next()) {}

void Pipe::send(const Datagram& datagram) {
  flush();
  std::uint32_t handle = static_cast<std::uint32_t>(slots_.size());
  if (free_.empty()) {
    slots_.push_back(datagram);
  } else {
    handle = free_.back();
    free_.pop_back();
    slots_[handle] = datagram;
  }
  if (model_.push(world_.now(), {handle, datagram.bytes}) != LinkFate::Delivered)
    free_.push_back(handle);
  arm();
}

void Pipe::set(const LinkSettings& settings) {
  flush();
  model_.set(world_.now(), settings);
  flush();
  arm();
}

void Pipe::flush() {
  while (const auto departure = model_.pop_due(world_.now())) {
    const Datagram datagram = std::move(slots_[departure->packet.handle]);
    free_.push_back(departure->packet.handle);
    if (departure->fate == LinkFate::Delivered) deliver_(datagram);
  }
}

void Pipe::arm() {
  const Time next = model_.next_timeout();
  if (next >= armed_) return;
  armed_ = next;
  world_.at(next, [this, next] {
    if (armed_ != next) return;  // an earlier one has taken over
    armed_ = kNever;
    flush();
    arm();
  });
}

}  // namespace wanbond::bond
