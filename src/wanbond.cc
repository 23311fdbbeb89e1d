// main(): picks the subcommand. All else is in the library `program`.
#include <array>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cmd_line.h"
#include "crypto/key.h"
#include "suggest.h"

namespace wanbond {
namespace {

constexpr std::array kCommands{
    Command{"run", run_node, "run a node in the foreground"},
    Command{"check", run_check, "read a configuration and say what would run"},
    Command{"show", run_show, "state of peers and paths of a running node"},
    Command{"top", run_top, "the same, live in the terminal, with histories"},
    Command{"events", run_events, "its state changes, with their causes"},
    Command{"explain", run_explain, "which rule, mode and path a flow would get"},
    Command{"set", run_set, "take a WAN or a path out of use by hand, or back"},
    Command{"demo", run_demo, "two sites, three emulated WANs, one cut, a report"},
    Command{"genkey", run_genkey, "print a new private key"},
    Command{"pubkey", run_pubkey, "print the public key of the private key on standard input"},
    Command{"genpsk", run_genpsk, "print a new preshared key"},
    Command{"version", run_version, "version, ciphers and I/O back ends"},
};

void print_usage(std::ostream& out) {
  out << "Usage: wanbond COMMAND [NAME | -c FILE] [options]\n\n";
  for (const Command& command : kCommands)
    out << "  " << command.name << std::string(10 - std::strlen(command.name), ' ') << command.help
        << "\n";
  out << "\nNAME stands for /etc/wanbond/NAME.conf. More: wanbond COMMAND --help, man wanbond\n";
}

int run_command(const std::string& name, Arguments arguments) {
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command.function(arguments);
    names.emplace_back(command.name);
  }
  complain("there is no command '" + name + "'" + suggest(name, names));
  return kExitUsage;
}

/// All of main(), which may throw.
int run_program(int argc, char** argv) {
  if (argc < 2) {
    print_usage(std::cerr);
    return kExitUsage;
  }
  const std::string name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(std::cout);
    return kExitFine;
  }
  if (const auto ready = crypto_init(); !ready) {
    complain(ready.error().message);
    return kExitFailed;
  }
  const std::vector<const char*> arguments(argv + 2, argv + argc);
  return run_command(name == "--version" ? "version" : name, arguments);
}

}  // namespace
}  // namespace wanbond

int main(int argc, char** argv) {
  try {
    return wanbond::run_program(argc, argv);
  } catch (const std::exception& fault) {
    wanbond::complain(std::string("internal error: ") + fault.what());
    return wanbond::kExitFailed;
  }
}
