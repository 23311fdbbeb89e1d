// The lines of a configuration file: sections and entries with their places, nothing understood
// yet. Ours, because Boost's INI parser knows no line numbers and merges sections of one name.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wanbond {

/// Where something was written.
struct Place {
  std::string file;
  unsigned line = 0;  // from 1; 0: the file as a whole

  /// "FILE:LINE", or "FILE".
  std::string to_string() const;
};

/// What was wrong with a configuration, and what is only suspicious. Collects, so that a user sees
/// all faults at once.
class Diagnostics {
 public:
  /// Faults kept; more are counted as one.
  static constexpr std::size_t kFaultsMax = 20;

  /// "FILE:LINE: message".
  void error(const Place& place, std::string_view message);
  void warning(const Place& place, std::string_view message);

  const std::vector<std::string>& errors() const noexcept { return errors_; }
  const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  std::vector<std::string> errors_;
  std::vector<std::string> warnings_;
};

/// One "Key = value" line.
struct ConfigEntry {
  std::string key;
  std::string value;  // without comment and surrounding space; never empty
  Place place;
};

/// "[kind name]" and what stands below it.
struct ConfigSection {
  std::string kind;
  std::string name;  // empty when none was given
  Place place;
  std::vector<ConfigEntry> entries;
};

/// Largest file that is read, bytes: 4096 peers fit several times.
inline constexpr std::size_t kConfigBytesMax = std::size_t{8} << 20;

/// Splits `text` into sections. `#` starts a comment at the beginning of a line or after white
/// space. Lines that are none of comment, section and entry are errors.
std::vector<ConfigSection> scan_config(std::string_view text, const std::string& file,
                                       Diagnostics& diagnostics);

/// The parts of a comma list, trimmed; empty parts are kept (the caller refuses them).
std::vector<std::string> split_list(std::string_view value);

/// `text` without white space at its ends.
std::string_view trim(std::string_view text);

}  // namespace wanbond
