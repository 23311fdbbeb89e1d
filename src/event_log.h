// The last events of a running node with the names they had, worded for people and for programs.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "core/event.h"
#include "core/status.h"

namespace wanbond {

/// An event with its names: a path may be gone when somebody asks.
struct NamedEvent {
  std::uint64_t number = 0;  // from 1, without gaps
  Event event;
  std::string peer, path;  // path is empty where the kind has none
};

/// "hq: path fiber>198.51.100.10:51900: down, no sign of life for 80 ms".
std::string event_text(const NamedEvent& event);
/// One JSON object without line feed; at_ns is CLOCK_MONOTONIC.
std::string event_json(const NamedEvent& event);

/// Keeps the last kEventsMax events.
class EventLog {
 public:
  static constexpr std::size_t kEventsMax = 1000;

  /// Learns the names of all peers and paths. To be called before add() of a PathAdded.
  void learn_names(const NodeStatus& status);
  const NamedEvent& add(const Event& event);

  /// Oldest first.
  const std::deque<NamedEvent>& events() const noexcept { return events_; }
  /// Number of the newest; 0 when there was none.
  std::uint64_t last_number() const noexcept { return last_number_; }

 private:
  std::deque<NamedEvent> events_;
  std::uint64_t last_number_ = 0;
  std::map<PeerId, std::string> peers_;
  std::map<std::pair<PeerId, PathId>, std::string> paths_;
};

}  // namespace wanbond
