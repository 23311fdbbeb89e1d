// What must hold between the values of a configuration: references, duplicates, contradictions.
#pragma once

#include <string>
#include <vector>

#include "config.h"
#include "config_sections.h"

namespace wanbond {

/// Characters of a WAN's name (it travels in PATH_NAME frames, protocol 1.6) and of other names.
inline constexpr std::size_t kWanNameMax = 16;
inline constexpr std::size_t kNameMax = 64;

/// All sections as written.
struct Sections {
  std::vector<ConfigSection> all;
};

/// Reports faults and suspicions of the whole.
void check_config(const Config& config, const Sections& sections, Diagnostics& diagnostics);

/// The lines with '\n' between them.
std::string join_lines(const std::vector<std::string>& lines);

}  // namespace wanbond
