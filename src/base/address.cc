#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t kMappedOffset = 12;  // RFC 4291 2.5.5.2

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

// A word whose first `count` (0 to 64) bits are set.
std::uint64_t high_bits(unsigned count) noexcept {
  return count == 0 ? 0 : ~std::uint64_t{0} << (64 - count);
}

}  // namespace

IpAddress IpAddress::v4(std::uint32_t bits) noexcept {
  std::array<std::byte, 4> raw;
  ByteWriter(raw).u32_be(bits);
  return from_bytes(raw);
}

// By words, as it will be read: bytes that were just written singly make a wide read wait.
IpAddress IpAddress::from_bytes(Bytes bytes) noexcept {
  using Halves = std::array<std::uint32_t, 2>;
  constexpr std::array<std::byte, 4> kMapped{{{}, {}, std::byte{0xff}, std::byte{0xff}}};
  check(bytes.size() == 4 || bytes.size() == 16);
  IpAddress address;
  if (bytes.size() == 16) {
    std::memcpy(address.bytes_.data(), bytes.data(), 16);
    return address;
  }
  Halves low{std::bit_cast<std::uint32_t>(kMapped), 0};
  std::memcpy(&low[1], bytes.data(), 4);
  const std::array<std::uint64_t, 2> words{0, std::bit_cast<std::uint64_t>(low)};
  address.bytes_ = std::bit_cast<std::array<std::byte, 16>>(words);
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  const std::string terminated(text);
  std::array<std::byte, 16> raw;
  if (inet_pton(AF_INET, terminated.c_str(), raw.data()) == 1)
    return from_bytes(std::span(raw).first(4));
  if (inet_pton(AF_INET6, terminated.c_str(), raw.data()) == 1) return from_bytes(raw);
  return {};
}

bool IpAddress::is_v4() const noexcept {
  constexpr std::array<std::byte, kMappedOffset> kMapped{
      {{}, {}, {}, {}, {}, {}, {}, {}, {}, {}, std::byte{0xff}, std::byte{0xff}}};
  return std::memcmp(bytes_.data(), kMapped.data(), kMappedOffset) == 0;  // two words
}

bool IpAddress::is_unspecified() const noexcept {
  const Bytes own = bytes();
  return std::all_of(own.begin(), own.end(), [](std::byte b) { return b == std::byte{0}; });
}

Bytes IpAddress::bytes() const noexcept {
  return is_v4() ? Bytes(bytes_).subspan(kMappedOffset) : Bytes(bytes_);
}

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  const int family = is_v4() ? AF_INET : AF_INET6;
  check(inet_ntop(family, bytes().data(), text, sizeof(text)) != nullptr);
  return text;
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!address || !port || *port == 0 || address->is_v4() == bracketed) return {};
  return Endpoint{*address, *port};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

Prefix::Prefix(const IpAddress& address, unsigned length) noexcept
    : length_(static_cast<std::uint8_t>(length)) {
  check(length <= address.bit_count());
  // Of the 16 bytes; an IPv4 address keeps what says that it is one.
  const unsigned kept = address.is_v4() ? 8 * kMappedOffset + length : length;
  std::array<std::byte, 16> raw;
  ByteReader reader(address.mapped());
  ByteWriter writer(raw);
  writer.u64_be(reader.u64_be() & high_bits(std::min(kept, 64u)));
  writer.u64_be(reader.u64_be() & high_bits(kept - std::min(kept, 64u)));
  address_ = IpAddress::from_bytes(raw);
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return {};
  if (slash == std::string_view::npos) return Prefix(*address, address->bit_count());
  const auto length = parse_number<unsigned>(text.substr(slash + 1));
  if (!length || *length > address->bit_count()) return {};
  return Prefix(*address, *length);
}

bool Prefix::contains(const IpAddress& address) const noexcept {
  if (address.is_v4() != is_v4()) return false;
  const unsigned kept = is_v4() ? 8 * kMappedOffset + length_ : length_;
  ByteReader own(address_.mapped()), other(address.mapped());
  const std::uint64_t high = (own.u64_be() ^ other.u64_be()) & high_bits(std::min(kept, 64u));
  const std::uint64_t low = (own.u64_be() ^ other.u64_be()) & high_bits(kept - std::min(kept, 64u));
  return (high | low) == 0;
}

std::string Prefix::to_string() const {
  return address_.to_string() + "/" + std::to_string(length_);
}

}  // namespace wanbond
