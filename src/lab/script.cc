#include "lab/script.h"

#include <algorithm>

#include "lab/link_text.h"
#include "lab/words.h"

namespace wanbond {

Result<std::vector<ScriptStep>> parse_script(std::string_view text) {
  std::vector<ScriptStep> steps;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto words = split_words(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    const std::string place = "line " + std::to_string(number) + ": ";
    if (words[0] != "at" || words.size() < 3)
      return Error{place + "a step is written as in 'at 10s cut fiber'"};
    const auto at = parse_duration(words[1]);
    if (!at) return Error{place + at.error().message};
    const auto offset = static_cast<std::size_t>(words[2].data() - line.data());
    steps.push_back({*at, std::string(line.substr(offset))});
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const ScriptStep& x, const ScriptStep& y) { return x.at < y.at; });
  return steps;
}

}  // namespace wanbond
