// A small JSON reader (RFC 8259) for test vectors: whole file to a tree of values. Tests only; a
// file that is not JSON, or a member that is not there, throws.
#pragma once

#include <cctype>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wanbond::test {

/// null, true, false, a number, a string, an array or an object. Numbers and literals keep their
/// text, so no digit is lost; \u escapes must be ASCII.
class Json {
 public:
  enum class Kind { Literal, Number, String, Array, Object };

  static Json parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_null() const { return kind_ == Kind::Literal && text_ == "null"; }
  const std::string& string() const { return expect(Kind::String).text_; }
  bool boolean() const { return expect(Kind::Literal).text_ == "true"; }
  long long integer() const { return std::stoll(expect(Kind::Number).text_); }
  double number() const { return std::stod(expect(Kind::Number).text_); }
  const std::vector<Json>& array() const { return expect(Kind::Array).items_; }
  const std::map<std::string, Json>& object() const { return expect(Kind::Object).members_; }
  bool has(const std::string& name) const { return object().count(name) != 0; }
  const Json& operator[](const std::string& name) const {
    const auto it = object().find(name);
    if (it == object().end()) throw std::runtime_error("JSON: no member " + name);
    return it->second;
  }
  const Json& operator[](std::size_t i) const { return array().at(i); }

 private:
  struct Reader;

  const Json& expect(Kind kind) const {
    if (kind_ != kind) throw std::runtime_error("JSON: a value of another kind");
    return *this;
  }

  Kind kind_ = Kind::Literal;
  std::string text_ = "null";
  std::vector<Json> items_;
  std::map<std::string, Json> members_;
};

struct Json::Reader {
  std::string_view rest;

  [[noreturn]] static void fail(const char* what) {
    throw std::runtime_error(std::string("JSON: ") + what);
  }
  void space() {
    while (!rest.empty() && std::string_view(" \t\r\n").find(rest[0]) != std::string_view::npos)
      rest.remove_prefix(1);
  }
  bool accept(char c) {
    space();
    if (rest.empty() || rest[0] != c) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail("a character is missing");
  }

  Json value(int depth) {
    if (depth > 100) fail("nested too deep");
    space();
    if (rest.empty()) fail("text ends early");
    if (rest[0] == '{') return object(depth);
    if (rest[0] == '[') return array(depth);
    Json json;
    if (rest[0] == '"') {
      json.kind_ = Kind::String;
      json.text_ = string();
      return json;
    }
    std::size_t n = 0;
    while (n < rest.size() && (std::isalnum(static_cast<unsigned char>(rest[n])) ||
                               std::string_view("+-.").find(rest[n]) != std::string_view::npos))
      ++n;
    json.text_ = std::string(rest.substr(0, n));
    rest.remove_prefix(n);
    if (json.text_ == "null" || json.text_ == "true" || json.text_ == "false") return json;
    json.kind_ = Kind::Number;
    std::size_t used = 0;
    if (n == 0 || (std::stod(json.text_, &used), used != n)) fail("not a value");
    return json;
  }
  Json object(int depth) {
    Json json;
    json.kind_ = Kind::Object;
    expect('{');
    if (accept('}')) return json;
    do {
      space();
      std::string name = string();
      expect(':');
      json.members_.insert_or_assign(std::move(name), value(depth + 1));
    } while (accept(','));
    expect('}');
    return json;
  }
  Json array(int depth) {
    Json json;
    json.kind_ = Kind::Array;
    expect('[');
    if (accept(']')) return json;
    do json.items_.push_back(value(depth + 1));
    while (accept(','));
    expect(']');
    return json;
  }
  std::string string() {
    expect('"');
    std::string text;
    while (!rest.empty() && rest[0] != '"') {
      char c = next();
      if (c == '\\') c = escape();
      text += c;
    }
    expect('"');
    return text;
  }
  char next() {
    if (rest.empty()) fail("text ends early");
    const char c = rest[0];
    rest.remove_prefix(1);
    return c;
  }
  char escape() {
    const char c = next();
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    if (const auto i = kNames.find(c); i != std::string_view::npos) return kValues[i];
    if (c != 'u' || rest.size() < 4) fail("unknown escape");
    const unsigned long code = std::stoul(std::string(rest.substr(0, 4)), nullptr, 16);
    rest.remove_prefix(4);
    if (code > 0x7f) fail("a \\u escape beyond ASCII");
    return static_cast<char>(code);
  }
};

inline Json Json::parse(std::string_view text) {
  Reader reader{text};
  Json value = reader.value(0);
  reader.space();
  if (!reader.rest.empty()) Reader::fail("text behind the value");
  return value;
}

/// The value in a file; none when there is no such file.
inline std::optional<Json> read_json(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return Json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

}  // namespace wanbond::test
