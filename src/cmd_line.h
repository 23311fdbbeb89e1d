// What the subcommands share: their table's row, their arguments, their exit status.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace wanbond {

/// Exit status of the program (wanbond(8)).
inline constexpr int kExitFine = 0;
inline constexpr int kExitFailed = 1;      // at run time
inline constexpr int kExitUsage = 2;       // or configuration
inline constexpr int kExitNotRunning = 3;  // no such instance

using Arguments = std::span<const char* const>;

/// One row of the table in main(): `function` gets what follows the name.
struct Command {
  const char* name;
  int (*function)(Arguments arguments);
  const char* help;
};

/// A switch of a subcommand: "json", or "follow,f" with its letter. One that takes a value has a
/// name for it, as in "--duration SECONDS".
struct Switch {
  const char* name;
  const char* help;
  const char* value_name = nullptr;
};

/// Whether a subcommand works on an instance: [NAME | -c FILE].
enum class Operand { None, Instance };

/// How a subcommand is called; `--help` is made of it.
struct CommandForm {
  const char* name;
  const char* help;  // a sentence or two
  Operand operand = Operand::None;
  std::vector<Switch> switches;
  std::vector<const char*> words{};  // that must be given, before NAME
};

/// What was on the command line.
struct CommandLine {
  std::set<std::string> switches;             // by long name
  std::map<std::string, std::string> values;  // of those that take one
  std::vector<std::string> words;             // as many as the form has
  std::string name;                           // NAME, or empty
  std::string config_file;                    // -c FILE, or that of NAME; empty: neither was given

  bool has(const std::string& name_of_switch) const { return switches.contains(name_of_switch); }
  /// Empty if the switch was not given.
  std::string value(const std::string& name_of_switch) const {
    const auto found = values.find(name_of_switch);
    return found == values.end() ? "" : found->second;
  }
};

/// The command line, or the exit status when there is nothing more to do (--help, a wrong option;
/// both have been printed).
std::variant<CommandLine, int> parse_command_line(const CommandForm& form, Arguments arguments);

/// "wanbond: message" for each line of the message, on standard error.
void complain(const std::string& message);

int run_check(Arguments arguments);
int run_demo(Arguments arguments);
int run_events(Arguments arguments);
int run_explain(Arguments arguments);
int run_genkey(Arguments arguments);
int run_genpsk(Arguments arguments);
int run_node(Arguments arguments);
int run_pubkey(Arguments arguments);
int run_set(Arguments arguments);
int run_show(Arguments arguments);
int run_top(Arguments arguments);
int run_version(Arguments arguments);

}  // namespace wanbond
