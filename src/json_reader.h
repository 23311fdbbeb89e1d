// A small JSON reader (RFC 8259) for what wanbond itself writes: the other half of JsonWriter. The
// demo reads the state and events of its nodes with it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wanbond {

/// One value as a tree. Questions never fail: what is absent or of another kind is null, which is
/// empty, 0 and false.
class JsonValue {
 public:
  /// The value that `text` is, with nothing but blanks around it; none if it is not JSON, is nested
  /// deeper than 32, or has an escape \u above 7f (wanbond writes UTF-8 as it is).
  static std::optional<JsonValue> parse(std::string_view text);

  /// A member of an object.
  const JsonValue& operator[](const std::string& name) const;
  /// The elements of an array.
  const std::vector<JsonValue>& items() const noexcept { return items_; }
  /// The text of a string; of a number or literal, as it was written.
  const std::string& text() const noexcept { return text_; }
  std::int64_t integer() const noexcept;
  double number() const noexcept;
  bool is_true() const noexcept { return kind_ == Kind::Literal && text_ == "true"; }
  bool is_null() const noexcept { return kind_ == Kind::Literal && text_.empty(); }

 private:
  enum class Kind : std::uint8_t { Literal, Number, String, Array, Object };
  struct Reader;

  Kind kind_ = Kind::Literal;
  std::string text_;  // empty for null
  std::vector<JsonValue> items_;
  std::map<std::string, JsonValue> members_;
};

}  // namespace wanbond
