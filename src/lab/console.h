// Console: the text commands of a running emulator, from its control socket and from scripts.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "lab/emulator.h"

namespace wanbond {

/// Carries out one command per line. Every reply is one line: "ok NS" with the CLOCK_MONOTONIC
/// nanoseconds of the moment it took effect, and behind it JSON where there is something to tell;
/// or "error TEXT".
///
///     set LINK [a2b|b2a] KEY=VALUE...   settings of link_text.h; both directions if none is named
///     cut LINK [a2b|b2a]                silent outage; what is in the link is gone too
///     restore LINK [a2b|b2a]            its end
///     show LINK                         the settings
///     stats                             counters of all links
class Console {
 public:
  /// Told of every command that changed something, with the time of its reply.
  using OnEvent = std::function<void(Time, std::string_view command)>;
  explicit Console(Emulator& emulator, OnEvent on_event = {})
      : emulator_(emulator), on_event_(std::move(on_event)) {}

  std::string execute(std::string_view line);

 private:
  using Words = std::span<const std::string_view>;
  using Changes = std::vector<DirectionChange>;

  Result<Time> change(Words words);
  Result<Changes> changes(std::size_t link, Words words) const;
  std::string show(Words words) const;
  std::string stats() const;

  Emulator& emulator_;
  OnEvent on_event_;
};

}  // namespace wanbond
