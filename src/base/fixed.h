// FixedVector: a vector whose storage is inside it and whose bound is part of its type. Full is an
// answer (push returns false), never an allocation.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "base/check.h"

namespace wanbond {

/// At most `kCapacity` values of a default-constructible, movable T, in order.
template <class T, std::size_t kCapacity>
class FixedVector {
 public:
  static constexpr std::size_t capacity() noexcept { return kCapacity; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  bool full() const noexcept { return size_ == kCapacity; }

  /// False, with nothing changed, when full.
  [[nodiscard]] bool push(T value) noexcept {
    if (full()) return false;
    items_[size_++] = std::move(value);
    return true;
  }
  /// Removes the last value; not on an empty vector.
  T pop() noexcept {
    check(size_ > 0);
    return std::exchange(items_[--size_], T{});
  }
  void clear() noexcept {
    for (std::size_t i = 0; i < size_; ++i) items_[i] = T{};
    size_ = 0;
  }

  T& operator[](std::size_t i) noexcept {
    check(i < size_);
    return items_[i];
  }
  const T& operator[](std::size_t i) const noexcept {
    check(i < size_);
    return items_[i];
  }
  T& back() noexcept { return (*this)[size_ - 1]; }
  T* begin() noexcept { return items_.data(); }
  T* end() noexcept { return items_.data() + size_; }
  const T* begin() const noexcept { return items_.data(); }
  const T* end() const noexcept { return items_.data() + size_; }
  T* data() noexcept { return items_.data(); }
  const T* data() const noexcept { return items_.data(); }

 private:
  std::array<T, kCapacity> items_{};
  std::size_t size_ = 0;
};

}  // namespace wanbond
