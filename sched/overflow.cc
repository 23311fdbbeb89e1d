#include "sched/overflow.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr Duration kFullFor = 1s;
// What a move has brought shows in the next whole second that PathFill measures.
constexpr Duration kSettle = 2s;
// A WAN that is full again so soon after a return was not ready for it.
constexpr Duration kTooSoon = 10s;
constexpr Duration kWaitMax = 60s;
constexpr Duration kFadeEvery = 1s;

bool is_full(const OverflowPath& way) noexcept {
  return way.fill != nullptr && way.fill->is_full();
}

/// All that one sends now would leave the other calm.
bool fits(const OverflowPath& from, const OverflowPath& to) noexcept {
  if (from.fill == nullptr || to.fill == nullptr) return true;
  const std::uint64_t capacity = to.fill->capacity().bits_per_second;
  const std::uint64_t sum = from.fill->rate().bits_per_second + to.fill->rate().bits_per_second;
  return capacity == 0 || sum < capacity / 4 * 3;
}

}  // namespace

void Overflow::Vote::count(const Packet& packet) noexcept {
  if (packet.digest == digest) {
    bytes += packet.bytes;
  } else if (packet.bytes <= bytes) {
    bytes -= packet.bytes;
  } else {
    digest = packet.digest;
    bytes = packet.bytes - bytes;
  }
}

void Overflow::update(std::span<const OverflowPath> paths) noexcept {
  FixedVector<Stage, kWansMax> stages;
  for (const OverflowPath& path : paths) {
    const auto is_same_wan = [&](const Stage& stage) { return stage.way.wan == path.wan; };
    if (std::any_of(stages.begin(), stages.end(), is_same_wan)) continue;
    const auto known = std::find_if(stages_.begin(), stages_.end(), is_same_wan);
    if (!stages.push({path, known == stages_.end() ? Vote{} : known->main})) break;
  }
  stages_ = stages;
}

/// The number of stages: none.
std::size_t Overflow::index_of(std::optional<PathId> path) const noexcept {
  const auto found = std::find_if(stages_.begin(), stages_.end(),
                                  [&](const Stage& stage) { return stage.way.path == path; });
  return static_cast<std::size_t>(found - stages_.begin());
}

std::size_t Overflow::first_not_full(std::size_t from) const noexcept {
  while (from < stages_.size() && is_full(stages_[from].way)) ++from;
  return from;
}

std::optional<PathId> Overflow::choose(std::optional<PathId> before) const noexcept {
  if (stages_.empty()) return {};
  if (index_of(before) < stages_.size()) return before;
  const std::size_t place = first_not_full(0);
  return stages_[place < stages_.size() ? place : 0].way.path;
}

std::optional<PathId> Overflow::take(Time now, const Packet& packet) noexcept {
  const auto path = choose(packet.before);
  if (!path) return {};
  fade(now);
  std::size_t place = index_of(path);
  if (path == packet.before) {
    const std::size_t back = way_back(now, place);
    if (back < place) {
      note_return(now);
      place = back;
    } else if (const std::size_t out = way_out(now, place, packet.digest); out < stages_.size()) {
      if (returned_ && now - *returned_ < kTooSoon) wait_ = std::min(2 * wait_, kWaitMax);
      moved_ = now;
      place = out;
    }
  }
  stages_[place].main.count(packet);
  return stages_[place].way.path;
}

/// `from` itself: there is none now.
std::size_t Overflow::way_back(Time now, std::size_t from) const noexcept {
  for (std::size_t i = 0; i < from; ++i) {
    const OverflowPath& way = stages_[i].way;
    if (way.fill == nullptr) return i;
    const bool is_ready = way.fill->calm_since() != kNever && now - way.fill->calm_since() >= wait_;
    if (!is_ready) continue;
    if (!moved_ || now - *moved_ >= kSettle || fits(stages_[from].way, way)) return i;
  }
  return from;
}

/// The number of stages: it stays.
std::size_t Overflow::way_out(Time now, std::size_t from, std::uint64_t digest) const noexcept {
  const OverflowPath& way = stages_[from].way;
  const bool is_due = is_full(way) && now - way.fill->full_since() >= kFullFor &&
                      (!moved_ || now - *moved_ >= kSettle);
  if (!is_due || stages_[from].main.digest == digest) return stages_.size();
  return first_not_full(from + 1);
}

void Overflow::note_return(Time now) noexcept {
  if (returned_ && now - *returned_ >= 2 * kWaitMax) wait_ = kWaitMin;
  moved_ = returned_ = now;
}

/// What a flow sent long ago does not count for ever.
void Overflow::fade(Time now) noexcept {
  if (now - faded_ < kFadeEvery) return;
  faded_ = now;
  for (Stage& stage : stages_) stage.main.bytes /= 2;
}

}  // namespace wanbond
