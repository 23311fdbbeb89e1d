// Reading and writing packet bytes with a sticky error: a header is parsed without branches and
// checked once at the end. Integers are little-endian unless the name says big-endian.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace wanbond {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// `value` with its bytes in the order of the wire, or back.
template <std::unsigned_integral T>
constexpr T to_wire_order(T value, std::endian wire) noexcept {
  if (wire == std::endian::native || sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 8) return static_cast<T>(__builtin_bswap64(value));
  if constexpr (sizeof(T) == 4) return static_cast<T>(__builtin_bswap32(value));
  return static_cast<T>(__builtin_bswap16(static_cast<std::uint16_t>(value)));
}

/// Reads from the front of a span. After the first read past the end every read gives zeros and
/// `ok()` is false for good.
class ByteReader {
 public:
  explicit constexpr ByteReader(Bytes bytes) noexcept : rest_(bytes) {}

  bool ok() const noexcept { return ok_; }
  std::size_t remaining() const noexcept { return rest_.size(); }

  std::uint8_t u8() noexcept { return read<std::uint8_t, false>(); }
  std::uint16_t u16() noexcept { return read<std::uint16_t, false>(); }
  std::uint32_t u32() noexcept { return read<std::uint32_t, false>(); }
  std::uint64_t u64() noexcept { return read<std::uint64_t, false>(); }
  std::uint16_t u16_be() noexcept { return read<std::uint16_t, true>(); }
  std::uint32_t u32_be() noexcept { return read<std::uint32_t, true>(); }
  std::uint64_t u64_be() noexcept { return read<std::uint64_t, true>(); }

  /// The next `count` bytes, or an empty span with the error set.
  Bytes take(std::size_t count) noexcept {
    if (!enough(count)) return {};
    const Bytes taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  void skip(std::size_t count) noexcept { (void)take(count); }

 private:
  bool enough(std::size_t count) noexcept {
    if (ok_ && rest_.size() >= count) return true;
    ok_ = false;
    rest_ = {};
    return false;
  }
  template <std::unsigned_integral T, bool kBigEndian>
  T read() noexcept {
    if (!enough(sizeof(T))) return 0;
    T value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return to_wire_order(value, kBigEndian ? std::endian::big : std::endian::little);
  }

  Bytes rest_;
  bool ok_ = true;
};

/// Writes to the front of a span. After the first write past the end nothing more is written and
/// `ok()` is false for good.
class ByteWriter {
 public:
  explicit constexpr ByteWriter(MutableBytes bytes) noexcept : all_(bytes) {}

  bool ok() const noexcept { return ok_; }
  std::size_t size() const noexcept { return used_; }
  std::size_t remaining() const noexcept { return all_.size() - used_; }
  MutableBytes written() const noexcept { return all_.first(used_); }

  void u8(std::uint8_t value) noexcept { write<std::uint8_t, false>(value); }
  void u16(std::uint16_t value) noexcept { write<std::uint16_t, false>(value); }
  void u32(std::uint32_t value) noexcept { write<std::uint32_t, false>(value); }
  void u64(std::uint64_t value) noexcept { write<std::uint64_t, false>(value); }
  void u16_be(std::uint16_t value) noexcept { write<std::uint16_t, true>(value); }
  void u32_be(std::uint32_t value) noexcept { write<std::uint32_t, true>(value); }
  void u64_be(std::uint64_t value) noexcept { write<std::uint64_t, true>(value); }

  void put(Bytes bytes) noexcept {
    const MutableBytes place = reserve(bytes.size());
    if (!place.empty()) std::memcpy(place.data(), bytes.data(), bytes.size());
  }
  void zeros(std::size_t count) noexcept {
    const MutableBytes place = reserve(count);
    if (!place.empty()) std::memset(place.data(), 0, count);
  }
  /// Room for `count` bytes to be filled by the caller; empty with the error set when there is
  /// too little.
  MutableBytes reserve(std::size_t count) noexcept {
    if (!ok_ || remaining() < count) {
      ok_ = false;
      return {};
    }
    const MutableBytes place = all_.subspan(used_, count);
    used_ += count;
    return place;
  }

 private:
  template <std::unsigned_integral T, bool kBigEndian>
  void write(T value) noexcept {
    const MutableBytes place = reserve(sizeof(T));
    if (place.empty()) return;
    value = to_wire_order(value, kBigEndian ? std::endian::big : std::endian::little);
    std::memcpy(place.data(), &value, sizeof(T));
  }

  MutableBytes all_;
  std::size_t used_ = 0;
  bool ok_ = true;
};

}  // namespace wanbond
