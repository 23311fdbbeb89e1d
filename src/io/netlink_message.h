// Building and reading rtnetlink messages: a header, a fixed struct, and attributes. For netlink.cc
// and netlink_routes.cc only. Source: netlink(7).
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/address.h"
#include "base/bytes.h"

namespace wanbond {

/// One request in a buffer of its own; our requests are far shorter than its bound.
class NetlinkRequest {
 public:
  /// `flags` beside NLM_F_REQUEST: NLM_F_ACK or NLM_F_DUMP, NLM_F_CREATE ...
  NetlinkRequest(std::uint16_t type, unsigned flags) noexcept;
  /// The kernel's own message sent back with another type, as `ip route flush` does.
  NetlinkRequest(std::uint16_t type, unsigned flags, Bytes body) noexcept;

  /// The fixed struct of the message type; first.
  template <class T>
  void body(const T& value) noexcept {
    append(std::as_bytes(std::span(&value, 1)));
  }
  void attribute(std::uint16_t type, Bytes value) noexcept;
  void attribute(std::uint16_t type, std::uint32_t value) noexcept;
  void attribute(std::uint16_t type, std::string_view text) noexcept;

  /// The finished message with this number; valid as long as the request.
  Bytes finish(std::uint32_t sequence) noexcept;

 private:
  void append(Bytes bytes) noexcept;

  static constexpr std::size_t kBytesMax = 4096;
  alignas(nlmsghdr) std::array<std::byte, kBytesMax> buffer_{};
  std::size_t used_ = 0;
};

/// A message of the kernel: its type and what follows the header.
struct NetlinkReply {
  std::uint16_t type = 0;
  Bytes body;

  /// The fixed struct at the front, all zero when the message is too short.
  template <class T>
  T fixed() const noexcept {
    T value{};
    if (body.size() >= sizeof(T)) std::memcpy(&value, body.data(), sizeof(T));
    return value;
  }
  /// Value of an attribute behind a fixed struct of `fixed_bytes`; empty when it is not there.
  Bytes attribute(std::size_t fixed_bytes, std::uint16_t attribute_type) const noexcept;
  std::optional<std::uint32_t> attribute_u32(std::size_t fixed_bytes,
                                             std::uint16_t attribute_type) const noexcept;
  std::string attribute_text(std::size_t fixed_bytes, std::uint16_t attribute_type) const;
  /// Unspecified when it is not there.
  IpAddress attribute_address(std::size_t fixed_bytes, std::uint16_t attribute_type) const noexcept;
};

}  // namespace wanbond
