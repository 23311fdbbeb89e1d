// The control socket's and the metrics' protocols: one line asks, text answers.
//   show text | show colour | show json      the state, once
//   events text | events json [follow]       the last events, and with `follow` those to come
//   explain src=A dst=B ...                  see explain.h
//   set path|wan NAME ORDER                  see core/order.h: "ok", or what is wrong
//   GET /metrics HTTP/1.x                    Prometheus text (on the Metrics address only)
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "event_log.h"
#include "instance_status.h"
#include "io/line_server.h"

namespace wanbond {

/// Answers `show` and `events` for one instance.
class ControlService {
 public:
  explicit ControlService(LineServer server) : server_(std::move(server)) {}

  LineServer& server() noexcept { return server_; }
  const LineServer& server() const noexcept { return server_; }
  /// Answers one request. `status` is called only when the answer needs it.
  template <class MakeStatus>
  void on_request(const LineRequest& request, const EventLog& log, MakeStatus&& status) {
    followers_[request.client] = {};
    if (request.line.starts_with("show "))
      server_.answer(request.client, show(request.line, status()), LineServer::After::Close);
    else
      events(request, log);
  }
  /// Sends new events to those who follow.
  void publish(const EventLog& log);

 private:
  enum class Form : std::uint8_t { Text, Json };
  struct Follower {
    Form form = Form::Text;
    std::uint64_t next_number = 0;  // 0: does not follow
  };

  static std::string show(const std::string& line, const InstanceStatus& status);
  static std::string lines_from(const EventLog& log, std::uint64_t first_number, Form form);
  void events(const LineRequest& request, const EventLog& log);

  LineServer server_;
  std::array<Follower, LineServer::kClientsMax> followers_{};
};

/// The HTTP answer to one request line; `metrics` is the body for GET /metrics.
std::string http_answer(const std::string& request_line, const std::string& metrics);

}  // namespace wanbond
