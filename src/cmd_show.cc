// wanbond show and wanbond events: what a running instance says of itself.
#include <unistd.h>

#include <cstdlib>

#include "cmd_line.h"
#include "control_client.h"

namespace wanbond {

int run_show(Arguments arguments) {
  const CommandForm form{"show",
                         "Prints the state of peers and paths of a running node.",
                         Operand::Instance,
                         {{"json", "for programs; the names are stable"}}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  const bool colours = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  if (line.has("json")) return ask_instance(line, "show json");
  return ask_instance(line, colours ? "show colour" : "show text");
}

int run_events(Arguments arguments) {
  const CommandForm form{"events",
                         "Prints the last state changes of a running node with their causes.",
                         Operand::Instance,
                         {{"follow,f", "go on with those to come"},
                          {"json", "one JSON object per line; at_ns is CLOCK_MONOTONIC"}}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  const std::string request = line.has("json") ? "events json" : "events text";
  return ask_instance(line, line.has("follow") ? request + " follow" : request);
}

}  // namespace wanbond
