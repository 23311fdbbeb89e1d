// IP addresses, endpoints and prefixes as plain values. IPv4 is held v4-mapped (::ffff:a.b.c.d), so
// one type serves both families, the wire (protocol 1.6) and the dual-stack sockets.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace wanbond {

/// An IPv6 or v4-mapped IPv4 address. Default: "::", meaning none.
class IpAddress {
 public:
  constexpr IpAddress() noexcept = default;
  /// From host-order bits: 0x7f000001 is 127.0.0.1.
  static IpAddress v4(std::uint32_t bits) noexcept;
  /// From 4 or 16 network-order bytes; any other length aborts.
  static IpAddress from_bytes(Bytes bytes) noexcept;
  /// "192.0.2.1" or "2001:db8::1"; nothing else (no brackets, no scope, no prefix).
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const noexcept;
  /// True for "::", the default; 0.0.0.0 is not none but also unspecified.
  bool is_unspecified() const noexcept;
  /// 32 or 128.
  unsigned bit_count() const noexcept { return is_v4() ? 32 : 128; }
  /// The 16 bytes, v4-mapped for IPv4.
  const std::array<std::byte, 16>& mapped() const noexcept { return bytes_; }
  /// The 4 or 16 bytes of the address proper, network order.
  Bytes bytes() const noexcept;
  std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
  /// Asked for every packet several times: two words instead of sixteen bytes.
  friend constexpr bool operator==(const IpAddress& a, const IpAddress& b) noexcept {
    using Words = std::array<std::uint64_t, 2>;
    const auto x = std::bit_cast<Words>(a.bytes_), y = std::bit_cast<Words>(b.bytes_);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }

 private:
  std::array<std::byte, 16> bytes_{};
};

/// Address and UDP port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "192.0.2.1:51900" or "[2001:db8::1]:51900". Host names are not for this function.
  static std::optional<Endpoint> parse(std::string_view text);
  std::string to_string() const;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

/// A prefix; bits below its length are zero.
class Prefix {
 public:
  constexpr Prefix() noexcept = default;
  /// Clears the host bits; `length` beyond the family's bits aborts.
  Prefix(const IpAddress& address, unsigned length) noexcept;
  /// "10.0.0.0/8", "2001:db8::/32", or an address alone (/32 or /128). Host bits are cleared.
  static std::optional<Prefix> parse(std::string_view text);

  const IpAddress& address() const noexcept { return address_; }
  unsigned length() const noexcept { return length_; }
  bool is_v4() const noexcept { return address_.is_v4(); }
  /// Same family and the first length() bits agree.
  bool contains(const IpAddress& address) const noexcept;
  std::string to_string() const;

  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;

 private:
  IpAddress address_;
  std::uint8_t length_ = 0;
};

}  // namespace wanbond
