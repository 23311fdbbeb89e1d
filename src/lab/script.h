// A script over time for the link emulator: which command is given when.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace wanbond {

/// A command and when to give it, counted from the start.
struct ScriptStep {
  Duration at{};
  std::string command;
};

/// Lines "at 10s cut fiber"; empty lines and lines that begin with # are skipped. In order of
/// time. The error names the line's number.
Result<std::vector<ScriptStep>> parse_script(std::string_view text);

}  // namespace wanbond
