#include "tests/sim/link.h"

#include <utility>

namespace wanbond::sim {

Link::Link(World& world, const LinkSettings& settings, Deliver deliver)
    : world_(world),
      deliver_(std::move(deliver)),
      model_(settings, world.random().next()),
      cut_at_(settings.state == LinkState::Cut ? world.now() : kNever) {}

std::uint32_t Link::keep(Datagram&& datagram) {
  if (free_.empty()) {
    slots_.push_back(std::move(datagram));
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t handle = free_.back();
  free_.pop_back();
  slots_[handle] = std::move(datagram);
  return handle;
}

void Link::send(Datagram&& datagram) {
  flush();
  const std::uint32_t size = datagram.ip_bytes();
  const std::uint32_t handle = keep(std::move(datagram));
  if (model_.push(world_.now(), {handle, size}) != LinkFate::Delivered) free_.push_back(handle);
  arm();
}

void Link::set(const LinkSettings& settings) {
  flush();
  const bool cuts = settings.state == LinkState::Cut;
  if (!cuts) cut_at_ = kNever;
  if (cuts && cut_at_ == kNever) cut_at_ = world_.now();
  model_.set(world_.now(), settings);
  flush();
  arm();
}

void Link::cut() {
  LinkSettings settings = model_.settings();
  settings.state = LinkState::Cut;
  set(settings);
}

void Link::restore() {
  LinkSettings settings = model_.settings();
  settings.state = LinkState::Up;
  set(settings);
}

void Link::flush() {
  while (const auto departure = model_.pop_due(world_.now())) {
    const std::uint32_t handle = departure->packet.handle;
    Datagram datagram = std::move(slots_[handle]);
    free_.push_back(handle);
    if (departure->fate == LinkFate::Delivered) deliver_(std::move(datagram));
  }
}

void Link::arm() {
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

}  // namespace wanbond::sim
