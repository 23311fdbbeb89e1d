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

}  // namespace

IpAddress IpAddress::v4(std::uint32_t bits) noexcept {
  std::array<std::byte, 4> raw;
  ByteWriter(raw).u32_be(bits);
  return from_bytes(raw);
}

IpAddress IpAddress::from_bytes(Bytes bytes) noexcept {
  IpAddress address;
  check(bytes.size() == 4 || bytes.size() == 16);
  if (bytes.size() == 4) address.bytes_[10] = address.bytes_[11] = std::byte{0xff};
  std::memcpy(address.bytes_.data() + (16 - bytes.size()), bytes.data(), bytes.size());
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
  return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin());
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
  std::array<std::byte, 16> raw{};
  const Bytes from = address.bytes();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const unsigned kept = std::clamp<int>(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
    raw[i] = from[i] & static_cast<std::byte>(0xff00u >> kept);
  }
  address_ = IpAddress::from_bytes(std::span(raw).first(from.size()));
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
  return address.is_v4() == is_v4() && Prefix(address, length_).address_ == address_;
}

std::string Prefix::to_string() const {
  return address_.to_string() + "/" + std::to_string(length_);
}

}  // namespace wanbond
