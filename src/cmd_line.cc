#include "cmd_line.h"

#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/positional_options.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <boost/program_options/variables_map.hpp>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "config.h"
#include "config_values.h"

namespace wanbond {
namespace {

namespace po = boost::program_options;

constexpr unsigned kHelpColumns = 100;

po::options_description visible_options(const CommandForm& form) {
  po::options_description options("Options", kHelpColumns);
  for (const Switch& flag : form.switches) {
    if (flag.value_name == nullptr)
      options.add_options()(flag.name, flag.help);
    else
      options.add_options()(flag.name, po::value<std::string>()->value_name(flag.value_name),
                            flag.help);
  }
  if (form.operand == Operand::Instance)
    options.add_options()("config,c", po::value<std::string>()->value_name("FILE"),
                          "the configuration file, instead of /etc/wanbond/NAME.conf");
  options.add_options()("help,h", "this text");
  return options;
}

void print_help(const CommandForm& form, const po::options_description& options) {
  const bool instance = form.operand == Operand::Instance;
  std::cout << "Usage: wanbond " << form.name;
  for (const char* word : form.words) std::cout << " " << word;
  std::cout << (instance ? " [NAME | -c FILE]" : "") << (form.switches.empty() ? "" : " [options]")
            << "\n\n"
            << form.help << "\n\n"
            << options;
}

/// Fills in words, name and file; empty or what is wrong.
std::string read_operand(const CommandForm& form, const po::variables_map& values,
                         CommandLine& line) {
  if (values.contains("WORDS")) line.words = values["WORDS"].as<std::vector<std::string>>();
  if (line.words.size() < form.words.size())
    return std::string(form.words[line.words.size()]) + " is missing";
  const bool has_name = values.contains("NAME");
  if (has_name) line.name = values["NAME"].as<std::string>();
  if (values.contains("config")) line.config_file = values["config"].as<std::string>();
  if (has_name && !line.config_file.empty()) return "give either NAME or -c FILE";
  if (!has_name) return "";
  line.config_file = config_file_of(line.name);
  if (line.name.find('/') != std::string::npos)
    return "'" + line.name + "' is not a NAME; for a file: -c " + line.name;
  return name_fault(line.name, 64);
}

}  // namespace

std::variant<CommandLine, int> parse_command_line(const CommandForm& form, Arguments arguments) {
  const po::options_description visible = visible_options(form);
  po::options_description all;
  po::positional_options_description positions;
  all.add(visible);
  if (!form.words.empty()) {
    all.add_options()("WORDS", po::value<std::vector<std::string>>());
    positions.add("WORDS", static_cast<int>(form.words.size()));
  }
  if (form.operand == Operand::Instance) {
    all.add_options()("NAME", po::value<std::string>());
    positions.add("NAME", 1);
  }
  CommandLine line;
  std::string fault;
  try {
    const std::vector<std::string> words(arguments.begin(), arguments.end());
    po::variables_map values;
    constexpr int kStyle =
        po::command_line_style::unix_style ^ po::command_line_style::allow_guessing;
    po::store(po::command_line_parser(words).options(all).positional(positions).style(kStyle).run(),
              values);
    if (values.contains("help")) {
      print_help(form, visible);
      return kExitFine;
    }
    for (const auto& [name, value] : values) {
      line.switches.insert(name);
      if (const auto* text = boost::any_cast<std::string>(&value.value()))
        line.values[name] = *text;
    }
    fault = read_operand(form, values, line);
  } catch (const po::error& error) {
    fault = error.what();
  }
  if (fault.empty()) return line;
  complain(std::string(form.name) + ": " + fault + "; see wanbond " + form.name + " --help");
  return kExitUsage;
}

void complain(const std::string& message) {
  std::istringstream lines(message);
  for (std::string line; std::getline(lines, line);)
    std::fprintf(stderr, "wanbond: %s\n", line.c_str());
}

}  // namespace wanbond
