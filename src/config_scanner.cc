#include "config_scanner.h"

#include <algorithm>

namespace wanbond {
namespace {

constexpr std::string_view kSpace = " \t\r\n\f\v";

std::string_view without_comment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool starts = i == 0 || kSpace.find(line[i - 1]) != std::string_view::npos;
    if (line[i] == '#' && starts) return line.substr(0, i);
  }
  return line;
}

bool has_control_characters(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && kSpace.find(c) == std::string_view::npos) ||
           c == 0x7f;
  });
}

/// "[Kind name]" into a section; false when it is not written like one.
bool parse_section_head(std::string_view line, ConfigSection& section) {
  if (line.size() < 2 || line.back() != ']') return false;
  const std::string_view inner = trim(line.substr(1, line.size() - 2));
  const std::size_t space = inner.find_first_of(kSpace);
  section.kind = inner.substr(0, space);
  if (space != std::string_view::npos) section.name = trim(inner.substr(space));
  return !section.kind.empty() && inner.find_first_of("[]") == std::string_view::npos;
}

void scan_entry(std::string_view line, const Place& place, std::vector<ConfigSection>& sections,
                Diagnostics& diagnostics) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    diagnostics.error(place,
                      "neither a [Section] nor \"Key = value\": '" + std::string(line) + "'");
    return;
  }
  ConfigEntry entry{std::string(trim(line.substr(0, equals))),
                    std::string(trim(line.substr(equals + 1))), place};
  if (entry.key.empty()) {
    diagnostics.error(place, "there is no key before the '='");
  } else if (entry.value.empty()) {
    diagnostics.error(place, entry.key + " has no value; leave the line out for the default");
  } else if (sections.empty()) {
    diagnostics.error(place, entry.key + " stands before the first [Section]");
  } else {
    sections.back().entries.push_back(std::move(entry));
  }
}

}  // namespace

std::string Place::to_string() const {
  return line == 0 ? file : file + ":" + std::to_string(line);
}

void Diagnostics::error(const Place& place, std::string_view message) {
  if (errors_.size() > kFaultsMax) return;
  const bool full = errors_.size() == kFaultsMax;
  errors_.push_back(place.to_string() + ": " +
                    (full ? "more errors follow" : std::string(message)));
}

void Diagnostics::warning(const Place& place, std::string_view message) {
  if (warnings_.size() >= kFaultsMax) return;
  warnings_.push_back(place.to_string() + ": " + std::string(message));
}

std::vector<ConfigSection> scan_config(std::string_view text, const std::string& file,
                                       Diagnostics& diagnostics) {
  std::vector<ConfigSection> sections;
  Place place{file, 0};
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view raw = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++place.line;
    if (has_control_characters(raw)) {
      diagnostics.error(place, "control characters; this is not a text file");
      continue;
    }
    const std::string_view line = trim(without_comment(raw));
    if (line.empty()) continue;
    if (line.front() != '[') {
      scan_entry(line, place, sections, diagnostics);
      continue;
    }
    ConfigSection section;
    section.place = place;
    if (!parse_section_head(line, section))
      diagnostics.error(place, "a section is written [Interface] or [Wan fiber], not '" +
                                   std::string(line) + "'");
    sections.push_back(std::move(section));
  }
  return sections;
}

std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t comma = value.find(',');
    parts.emplace_back(trim(value.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    value.remove_prefix(comma + 1);
  }
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace wanbond
