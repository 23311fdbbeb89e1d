// wanbond explain: which rule, mode and path a flow would get from a running node.
#include "cmd_line.h"
#include "control_client.h"
#include "explain.h"

namespace wanbond {

int run_explain(Arguments arguments) {
  const CommandForm form{"explain",
                         "Says which rule, mode and path a flow from SRC to DST would get now.",
                         Operand::Instance,
                         {{"proto", "tcp (the default), udp, icmp ... or a number", "PROTO"},
                          {"sport", "source port", "PORT"},
                          {"dport", "destination port", "PORT"},
                          {"dscp", "ef, af41 ... or 0 to 63", "DSCP"},
                          {"size", "of its first packet, bytes (default 1000)", "BYTES"}},
                         {"SRC", "DST"}};
  const auto parsed = parse_command_line(form, arguments);
  if (const int* status = std::get_if<int>(&parsed)) return *status;
  const auto& line = std::get<CommandLine>(parsed);
  std::string text = "src=" + line.words[0] + " dst=" + line.words[1];
  for (const char* key : {"proto", "sport", "dport", "dscp", "size"})
    if (!line.value(key).empty()) text += " " + std::string(key) + "=" + line.value(key);
  if (const auto question = parse_question(text); !question) {
    complain("explain: " + question.error().message);
    return kExitUsage;
  }
  return ask_instance(line, "explain " + text);
}

}  // namespace wanbond
