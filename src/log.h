// The log of a node on standard error: with time on a terminal, with priorities (sd-daemon(3)) when
// systemd's journal reads it.
#pragma once

#include <memory>
#include <string>

#include "config.h"

namespace wanbond {

struct LogSink;  // where the library is

/// Writes lines. Not on the data path.
class Log {
 public:
  explicit Log(LogLevel level);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void error(const std::string& text);
  void warning(const std::string& text);
  void info(const std::string& text);
  void debug(const std::string& text);

 private:
  std::unique_ptr<LogSink> sink_;
};

}  // namespace wanbond
