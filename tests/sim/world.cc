#include "tests/sim/world.h"

#include <algorithm>

namespace wanbond::sim {

bool World::later(const Entry& a, const Entry& b) noexcept {
  return a.time != b.time ? a.time > b.time : a.number > b.number;
}

void World::at(Time time, Action action) {
  queue_.push_back({std::max(time, now_), next_number_++, std::move(action)});
  std::push_heap(queue_.begin(), queue_.end(), later);
}

bool World::step(Time end) {
  if (queue_.empty() || queue_.front().time > end) return false;
  std::pop_heap(queue_.begin(), queue_.end(), later);
  Entry entry = std::move(queue_.back());
  queue_.pop_back();
  now_ = entry.time;
  ++action_count_;
  entry.action();
  return true;
}

void World::run_until(Time end) {
  while (step(end)) {
  }
  now_ = std::max(now_, end);
}

bool World::run_until(const std::function<bool()>& condition, Duration limit) {
  const Time end = now_ + limit;
  while (!condition()) {
    if (step(end)) continue;
    now_ = end;
    return condition();
  }
  return true;
}

void World::mix(std::uint64_t value) noexcept {
  hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15;
  hash_ ^= hash_ >> 29;
}

void World::trace(std::uint64_t value) noexcept {
  mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  mix(value);
}

void World::trace(Bytes bytes) noexcept {
  mix(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  ByteReader reader(bytes);
  while (reader.remaining() >= 8) mix(reader.u64());
  while (reader.remaining() > 0) mix(reader.u8());
}

}  // namespace wanbond::sim
