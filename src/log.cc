#include "log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <cstdlib>

namespace wanbond {
namespace {

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::Error:
      return spdlog::level::err;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Debug:
      return spdlog::level::debug;
  }
  return spdlog::level::info;
}

}  // namespace

struct LogSink {
  spdlog::logger logger{"wanbond", spdlog::sink_ptr(new spdlog::sinks::stderr_sink_st)};
  bool journal = std::getenv("JOURNAL_STREAM") != nullptr;

  /// `priority` is that of syslog(3).
  void write(spdlog::level::level_enum level, char priority, const std::string& text) {
    if (journal)
      logger.log(level, "<{}>{}", priority, text);
    else
      logger.log(level, "{}", text);
  }
};

Log::Log(LogLevel level) : sink_(std::make_unique<LogSink>()) {
  sink_->logger.set_level(spdlog_level(level));
  sink_->logger.flush_on(spdlog::level::debug);
  sink_->logger.set_pattern(sink_->journal ? "%v" : "%H:%M:%S.%e %l: %v");
}

Log::~Log() = default;

void Log::error(const std::string& text) { sink_->write(spdlog::level::err, '3', text); }
void Log::warning(const std::string& text) { sink_->write(spdlog::level::warn, '4', text); }
void Log::info(const std::string& text) { sink_->write(spdlog::level::info, '6', text); }
void Log::debug(const std::string& text) { sink_->write(spdlog::level::debug, '7', text); }

}  // namespace wanbond
