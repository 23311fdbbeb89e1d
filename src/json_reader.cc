#include "json_reader.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace wanbond {

struct JsonValue::Reader {
  static constexpr int kDepthMax = 32;
  std::string_view rest;
  int depth = 0;

  void skip_blanks() {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size()));
  }

  bool take(char wanted) {
    skip_blanks();
    if (rest.empty() || rest.front() != wanted) return false;
    rest.remove_prefix(1);
    return true;
  }

  bool read(JsonValue& out) {
    skip_blanks();
    if (rest.empty() || ++depth > kDepthMax) return false;
    const char first = rest.front();
    bool good = false;
    if (first == '{')
      good = read_object(out);
    else if (first == '[')
      good = read_array(out);
    else if (first == '"')
      good = read_string(out.text_), out.kind_ = Kind::String;
    else
      good = read_word(out);
    --depth;
    return good;
  }

  bool read_object(JsonValue& out) {
    out.kind_ = Kind::Object;
    rest.remove_prefix(1);
    if (take('}')) return true;
    do {
      std::string name;
      JsonValue value;
      skip_blanks();
      if (!read_string(name) || !take(':') || !read(value)) return false;
      out.members_.insert_or_assign(std::move(name), std::move(value));
    } while (take(','));
    return take('}');
  }

  bool read_array(JsonValue& out) {
    out.kind_ = Kind::Array;
    rest.remove_prefix(1);
    if (take(']')) return true;
    do {
      if (!read(out.items_.emplace_back())) return false;
    } while (take(','));
    return take(']');
  }

  bool read_string(std::string& out) {
    if (rest.empty() || rest.front() != '"') return false;
    rest.remove_prefix(1);
    while (!rest.empty() && rest.front() != '"') {
      const char c = rest.front();
      rest.remove_prefix(1);
      if (c != '\\')
        out += c;
      else if (!read_escape(out))
        return false;
    }
    if (rest.empty()) return false;
    rest.remove_prefix(1);
    return true;
  }

  bool read_escape(std::string& out) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    if (rest.empty()) return false;
    const char letter = rest.front();
    rest.remove_prefix(1);
    if (const std::size_t i = kLetters.find(letter); i != std::string_view::npos) {
      out += kMeaning[i];
      return true;
    }
    unsigned code = 0;
    if (letter != 'u' || rest.size() < 4) return false;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + 4, code, 16);
    if (failure != std::errc{} || end != rest.data() + 4 || code > 0x7f) return false;
    out += static_cast<char>(code);
    rest.remove_prefix(4);
    return true;
  }

  bool read_word(JsonValue& out) {
    const std::size_t size = std::min(rest.find_first_of(",]} \t\r\n"), rest.size());
    const std::string word(rest.substr(0, size));
    rest.remove_prefix(size);
    if (word == "null") return true;
    out.text_ = word;
    if (word == "true" || word == "false") return true;
    out.kind_ = Kind::Number;
    char* end = nullptr;
    (void)std::strtod(word.c_str(), &end);
    return !word.empty() && end == word.c_str() + word.size();
  }
};

std::optional<JsonValue> JsonValue::parse(std::string_view text) {
  Reader reader{text};
  JsonValue value;
  if (!reader.read(value)) return std::nullopt;
  reader.skip_blanks();
  if (!reader.rest.empty()) return std::nullopt;
  return value;
}

const JsonValue& JsonValue::operator[](const std::string& name) const {
  static const JsonValue kNull;
  const auto found = members_.find(name);
  return found == members_.end() ? kNull : found->second;
}

std::int64_t JsonValue::integer() const noexcept {
  std::int64_t value = 0;
  if (kind_ == Kind::Number) std::from_chars(text_.data(), text_.data() + text_.size(), value);
  return value;
}

double JsonValue::number() const noexcept {
  return kind_ == Kind::Number ? std::strtod(text_.c_str(), nullptr) : 0;
}

}  // namespace wanbond
