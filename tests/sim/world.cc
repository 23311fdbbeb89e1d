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

void World::note(const std::string& line) const {
  if (!reader_) return;
  reader_(std::to_string(to_ms(now_.time_since_epoch())) + " ms  " + line);
}

}  // namespace wanbond::sim
