// wanbond set: what is wanted of a WAN or a path by hand, until the node ends.
#include "cmd_line.h"
#include "control_client.h"
#include "core/order.h"

namespace wanbond {

int run_set(Arguments arguments) {
  const CommandForm form{"set",
                         "Puts a WAN or a path out of use by hand, or back: ORDER is up, backup, "
                         "drain or down.",
                         Operand::Instance,
                         {},
                         {"path|wan", "WHICH", "ORDER"}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  const std::string &kind = line.words[0], &order = line.words[2];
  if (kind != "path" && kind != "wan") {
    complain("set: '" + kind + "' is neither path nor wan; see wanbond set --help");
    return kExitUsage;
  }
  if (!parse_path_order(order)) {
    complain("set: '" + order + "' is none of up, backup, drain, down");
    return kExitUsage;
  }
  return tell_instance(line, "set " + kind + " " + line.words[1] + " " + order);
}

}  // namespace wanbond
