// Words of a command line, for the emulator's console and scripts.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace wanbond {

/// The parts of `line` between blanks; they point into it.
inline std::vector<std::string_view> split_words(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r\n";
  std::vector<std::string_view> words;
  for (std::size_t begin = line.find_first_not_of(kBlank); begin != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlank, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlank, end);
  }
  return words;
}

}  // namespace wanbond
