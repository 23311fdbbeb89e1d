#include "event_log.h"

#include <cstdio>

#include "json_writer.h"

namespace wanbond {
namespace {

std::string_view kind_name(EventKind kind) {
  switch (kind) {
    case EventKind::PeerUp:
      return "peer_up";
    case EventKind::PeerDown:
      return "peer_down";
    case EventKind::KeysChanged:
      return "keys_changed";
    case EventKind::PathAdded:
      return "path_added";
    case EventKind::PathState:
      return "path_state";
    case EventKind::PathMoved:
      return "path_moved";
    case EventKind::PathSize:
      return "path_size";
    case EventKind::PathSelected:
      return "path_selected";
    case EventKind::PathRemoved:
      return "path_removed";
  }
  return "unknown";
}

bool concerns_path(EventKind kind) {
  return kind != EventKind::PeerUp && kind != EventKind::PeerDown && kind != EventKind::KeysChanged;
}

std::string what_happened(const NamedEvent& named) {
  switch (named.event.kind) {
    case EventKind::PeerUp:
      return "up";
    case EventKind::PeerDown:
      return "down";
    case EventKind::KeysChanged:
      return "new keys";
    case EventKind::PathAdded:
      return "added";
    case EventKind::PathState:
      return std::string(to_string(named.event.to));
    case EventKind::PathMoved:
      return "the peer's address changed";
    case EventKind::PathSize:
      return "carries datagrams of " + std::to_string(named.event.payload_bytes) + " bytes";
    case EventKind::PathSelected:
      if (named.event.flows == FlowCare::All) return "carries the traffic now";
      return named.event.flows == FlowCare::Repaired ? "carries TCP now"
                                                     : "carries all but TCP now";
    case EventKind::PathRemoved:
      return "removed";
  }
  return "unknown";
}

/// ", no sign of life for 80 ms".
std::string why(const Event& event) {
  if (event.cause == Cause::None) return "";
  std::string text = ", " + std::string(to_string(event.cause));
  if (event.cause == Cause::Silence && event.silence > Duration::zero()) {
    char tail[48];
    std::snprintf(tail, sizeof(tail), " for %.0f ms", to_ms(event.silence));
    text += tail;
  }
  return text;
}

}  // namespace

std::string event_text(const NamedEvent& named) {
  const std::string subject =
      concerns_path(named.event.kind) ? named.peer + ": path " + named.path : "peer " + named.peer;
  return subject + ": " + what_happened(named) + why(named.event);
}

std::string event_json(const NamedEvent& named) {
  const Event& event = named.event;
  JsonWriter json;
  json.begin_object()
      .member("number", named.number)
      .member("at_ns", event.at.time_since_epoch().count())
      .member("kind", kind_name(event.kind))
      .member("peer", named.peer);
  if (concerns_path(event.kind))
    json.member("path", named.path).member("path_id", event.path.value);
  if (event.kind == EventKind::PathState)
    json.member("from", to_string(event.from)).member("to", to_string(event.to));
  if (event.kind == EventKind::PathSize) json.member("payload_bytes", event.payload_bytes);
  if (event.kind == EventKind::PathSelected) json.member("flows", to_string(event.flows));
  json.member("cause", to_string(event.cause));
  if (event.silence > Duration::zero()) json.member("silence_ms", to_ms(event.silence));
  if (event.kind == EventKind::PathState || event.kind == EventKind::PathSelected) {
    const auto time = [&](const char* name, Time at) {
      if (at != kNever) json.member(name, at.time_since_epoch().count());
    };
    time("detected_ns", event.detected);
    time("decided_ns", event.at);
    time("told_ns", event.told);
    time("switched_ns", event.switched);
  }
  return json.member("text", event_text(named)).end_object().text();
}

void EventLog::learn_names(const NodeStatus& status) {
  for (std::size_t i = 0; i < status.peers.size(); ++i) {
    const PeerId peer{static_cast<std::uint16_t>(i)};
    peers_[peer] = status.peers[i].name;
    for (const PathStatus& path : status.peers[i].paths) paths_[{peer, path.id}] = path.name;
  }
}

const NamedEvent& EventLog::add(const Event& event) {
  NamedEvent named{++last_number_, event, peers_[event.peer], ""};
  if (concerns_path(event.kind)) named.path = paths_[{event.peer, event.path}];
  if (events_.size() == kEventsMax) events_.pop_front();
  return events_.emplace_back(std::move(named));
}

}  // namespace wanbond
