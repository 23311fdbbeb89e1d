#include "config.h"

#include <algorithm>
#include <map>
#include <utility>

#include "config_checks.h"
#include "config_sections.h"
#include "config_values.h"
#include "suggest.h"

namespace wanbond {
namespace {

const std::vector<std::string> kKinds{"Interface", "Wan", "Peer", "Lan", "Rule"};

/// True if kind and name of a section can be used; else the fault is reported.
bool is_sound(const ConfigSection& section, Diagnostics& diagnostics) {
  if (std::find(kKinds.begin(), kKinds.end(), section.kind) == kKinds.end()) {
    if (!section.kind.empty())
      diagnostics.error(section.place,
                        "unknown section [" + section.kind + "]" + suggest(section.kind, kKinds));
    return false;
  }
  if (section.kind == "Interface") {
    if (section.name.empty()) return true;
    diagnostics.error(section.place, "[Interface] has no name");
    return false;
  }
  const std::size_t length_max = section.kind == "Wan" ? kWanNameMax : kNameMax;
  const std::string fault = section.name.empty()
                                ? "[" + section.kind + "] needs a name: [" + section.kind + " NAME]"
                                : name_fault(section.name, length_max);
  if (!fault.empty()) diagnostics.error(section.place, fault);
  return fault.empty();
}

/// Sections of all files; one of a drop-in adds to the one of the same name before it.
std::vector<ConfigSection> merge_sections(const std::vector<ConfigText>& texts,
                                          Diagnostics& diagnostics) {
  std::vector<ConfigSection> merged;
  std::map<std::pair<std::string, std::string>, Place> latest;  // where (kind, name) last began
  for (const ConfigText& text : texts) {
    for (ConfigSection& section : scan_config(text.text, text.file, diagnostics)) {
      if (!is_sound(section, diagnostics)) continue;
      const auto id = std::pair(section.kind, section.name);
      const auto [earlier, is_new] = latest.try_emplace(id, section.place);
      if (is_new) {
        merged.push_back(std::move(section));
        continue;
      }
      if (earlier->second.file == section.place.file)
        diagnostics.error(section.place, "a second [" + section.kind +
                                             (section.name.empty() ? "" : " ") + section.name +
                                             "], the first is in line " +
                                             std::to_string(earlier->second.line));
      earlier->second = section.place;
      const auto same = std::find_if(merged.begin(), merged.end(), [&](const ConfigSection& other) {
        return std::pair(other.kind, other.name) == id;
      });
      same->entries.insert(same->entries.end(), section.entries.begin(), section.entries.end());
    }
  }
  return merged;
}

/// The instance's name: "branch" for "/etc/wanbond/branch.conf".
std::string instance_name(const std::string& file) {
  std::string name = file.substr(file.rfind('/') + 1);  // npos + 1 is 0
  if (name.ends_with(".conf")) name.resize(name.size() - 5);
  return name;
}

template <class T>
T& append(std::vector<T>& list, const ConfigSection& section, Diagnostics& diagnostics) {
  read_section(section, list.emplace_back(), diagnostics);
  return list.back();
}

}  // namespace

Result<Config> parse_config(const std::vector<ConfigText>& texts) {
  Diagnostics diagnostics;
  Sections sections{merge_sections(texts, diagnostics)};
  Config config;
  config.file = texts.front().file;
  config.name = instance_name(config.file);
  config.interface.place = {config.file, 0};
  for (const ConfigSection& section : sections.all) {
    if (section.kind == "Interface") read_section(section, config.interface, diagnostics);
    if (section.kind == "Wan") append(config.wans, section, diagnostics);
    if (section.kind == "Peer") append(config.peers, section, diagnostics);
    if (section.kind == "Lan") append(config.lans, section, diagnostics);
    if (section.kind == "Rule") append(config.rules, section, diagnostics);
  }
  check_config(config, sections, diagnostics);
  if (!diagnostics.errors().empty()) return Error{join_lines(diagnostics.errors())};
  config.warnings = diagnostics.warnings();
  return config;
}

std::string Config::control_path() const {
  return interface.control_socket.empty() ? "/run/wanbond/" + name + ".sock"
                                          : interface.control_socket;
}

std::string config_file_of(const std::string& name) { return "/etc/wanbond/" + name + ".conf"; }

std::string join_lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "\n") + line;
  return text;
}

}  // namespace wanbond
