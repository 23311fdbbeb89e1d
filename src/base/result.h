// Result<T>: a value or an Error, with the member names of std::expected (which clang 14 cannot
// compile). For set-up and control; the data path uses DropReason and std::optional.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"

namespace wanbond {

/// What was tried and on what (file, key, device), why it failed, and the cure where there is one.
/// One line, no final full stop.
struct Error {
  std::string message;
};

/// A T or an Error. Test it before value() or error(): the wrong one aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  T& value() & noexcept { return *get(this); }
  const T& value() const& noexcept { return *get(this); }
  T&& value() && noexcept { return std::move(*get(this)); }
  T& operator*() noexcept { return *get(this); }
  const T& operator*() const noexcept { return *get(this); }
  T* operator->() noexcept { return get(this); }
  const T* operator->() const noexcept { return get(this); }
  const Error& error() const noexcept {
    check(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  template <class Self>
  static auto* get(Self* self) noexcept {
    check(self->has_value());
    return std::get_if<0>(&self->state_);
  }
  std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  const Error& error() const noexcept {
    check(!has_value());
    return *error_;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace wanbond
