// "did you mean X?": the nearest of the words that would have been right.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace wanbond {

/// "; did you mean X?" with the candidate that `word` most likely was meant to be (case does not
/// count, a swap of neighbours is one slip), or "" when none is near.
std::string suggest(std::string_view word, std::span<const std::string> candidates);

/// "a, b or c".
std::string join_choices(std::span<const std::string> words);

}  // namespace wanbond
