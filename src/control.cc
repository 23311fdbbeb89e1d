#include "control.h"

#include <cstdio>
#include <ctime>

#include "show.h"
#include "status_json.h"

namespace wanbond {
namespace {

/// Local time of day of a moment, "14:03:07.250".
std::string clock_text(Time at) {
  const Duration age = monotonic_now() - at;
  const std::int64_t wall_ms = (wall_now().unix_ns - age.count()) / 1'000'000;
  const std::time_t seconds = wall_ms / 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::snprintf(text, sizeof(text), "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min,
                local.tm_sec, static_cast<int>(wall_ms % 1000));
  return text;
}

}  // namespace

std::string ControlService::show(const std::string& line, const InstanceStatus& status) {
  if (line == "show json") return status_json(status);
  if (line == "show text") return status_table(status, Colours::Off);
  if (line == "show colour") return status_table(status, Colours::On);
  return "unknown request\n";
}

std::string ControlService::lines_from(const EventLog& log, std::uint64_t first_number, Form form) {
  std::string text;
  for (const NamedEvent& event : log.events()) {
    if (event.number < first_number) continue;
    text += form == Form::Json ? event_json(event)
                               : clock_text(event.event.at) + " " + event_text(event);
    text += '\n';
  }
  return text;
}

void ControlService::events(const LineRequest& request, const EventLog& log) {
  const bool known =
      request.line.starts_with("events text") || request.line.starts_with("events json");
  if (!known) return server_.answer(request.client, "unknown request\n", LineServer::After::Close);
  const Form form = request.line.starts_with("events json") ? Form::Json : Form::Text;
  const bool follow = request.line.ends_with(" follow");
  followers_[request.client] = {form, follow ? log.last_number() + 1 : 0};
  server_.answer(request.client, lines_from(log, 0, form),
                 follow ? LineServer::After::Keep : LineServer::After::Close);
}

void ControlService::publish(const EventLog& log) {
  for (std::size_t i = 0; i < followers_.size(); ++i) {
    Follower& follower = followers_[i];
    if (follower.next_number == 0 || follower.next_number > log.last_number()) continue;
    if (server_.is_connected(i))
      server_.answer(i, lines_from(log, follower.next_number, follower.form),
                     LineServer::After::Keep);
    follower.next_number = server_.is_connected(i) ? log.last_number() + 1 : 0;
  }
}

std::string http_answer(const std::string& request_line, const std::string& metrics) {
  const bool found = request_line.starts_with("GET /metrics ");
  const std::string body = found ? metrics : "only GET /metrics is here\n";
  return std::string("HTTP/1.0 ") + (found ? "200 OK" : "404 Not Found") +
         "\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
}

}  // namespace wanbond
