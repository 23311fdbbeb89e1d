// The keys of each kind of section, their types, defaults and help: the one table behind parsing,
// suggestions and the man page's test. Boost.Program_options does the work inside.
#pragma once

#include <string>
#include <vector>

#include "config.h"

namespace wanbond {

/// Fill in what the section says over the defaults; faults go to `diagnostics`.
void read_section(const ConfigSection& section, InterfaceConfig& out, Diagnostics& diagnostics);
void read_section(const ConfigSection& section, WanConfig& out, Diagnostics& diagnostics);
void read_section(const ConfigSection& section, PeerConfig& out, Diagnostics& diagnostics);
void read_section(const ConfigSection& section, LanConfig& out, Diagnostics& diagnostics);
void read_section(const ConfigSection& section, RuleConfig& out, Diagnostics& diagnostics);

/// True if `key` is in the section.
bool has_entry(const ConfigSection& section, const std::string& key);
/// Where element `index` (from 0, over comma lists and repeated keys) of `key` stands; the
/// section's own place when there is none.
Place place_of(const ConfigSection& section, const std::string& key, std::size_t index = 0);

}  // namespace wanbond
