#include "io/netlink_message.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace wanbond {
namespace {

constexpr std::size_t aligned(std::size_t bytes) noexcept { return (bytes + 3) / 4 * 4; }

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, unsigned flags) noexcept {
  nlmsghdr head{};
  head.nlmsg_type = type;
  head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  append(std::as_bytes(std::span(&head, 1)));
}

NetlinkRequest::NetlinkRequest(std::uint16_t type, unsigned flags, Bytes body) noexcept
    : NetlinkRequest(type, flags) {
  append(body);
}

void NetlinkRequest::append(Bytes bytes) noexcept {
  check(used_ + aligned(bytes.size()) <= buffer_.size());
  if (!bytes.empty()) std::memcpy(buffer_.data() + used_, bytes.data(), bytes.size());
  used_ += aligned(bytes.size());
}

void NetlinkRequest::attribute(std::uint16_t type, Bytes value) noexcept {
  rtattr head{};
  head.rta_type = type;
  head.rta_len = static_cast<std::uint16_t>(sizeof(head) + value.size());
  append(std::as_bytes(std::span(&head, 1)));
  append(value);
}

void NetlinkRequest::attribute(std::uint16_t type, std::uint32_t value) noexcept {
  attribute(type, std::as_bytes(std::span(&value, 1)));
}

void NetlinkRequest::attribute(std::uint16_t type, std::string_view text) noexcept {
  const std::string terminated(text);
  attribute(type, std::as_bytes(std::span(terminated.c_str(), terminated.size() + 1)));
}

Bytes NetlinkRequest::finish(std::uint32_t sequence) noexcept {
  nlmsghdr head{};
  std::memcpy(&head, buffer_.data(), sizeof(head));
  head.nlmsg_len = static_cast<std::uint32_t>(used_);
  head.nlmsg_seq = sequence;
  std::memcpy(buffer_.data(), &head, sizeof(head));
  return Bytes(buffer_).first(used_);
}

Bytes NetlinkReply::attribute(std::size_t fixed_bytes,
                              std::uint16_t attribute_type) const noexcept {
  std::size_t at = aligned(fixed_bytes);
  while (at + sizeof(rtattr) <= body.size()) {
    rtattr head{};
    std::memcpy(&head, body.data() + at, sizeof(head));
    if (head.rta_len < sizeof(head) || at + head.rta_len > body.size()) break;
    if ((head.rta_type & NLA_TYPE_MASK) == attribute_type)
      return body.subspan(at + sizeof(head), head.rta_len - sizeof(head));
    at += aligned(head.rta_len);
  }
  return {};
}

std::optional<std::uint32_t> NetlinkReply::attribute_u32(
    std::size_t fixed_bytes, std::uint16_t attribute_type) const noexcept {
  const Bytes value = attribute(fixed_bytes, attribute_type);
  std::uint32_t number = 0;
  if (value.size() != sizeof(number)) return std::nullopt;
  std::memcpy(&number, value.data(), sizeof(number));
  return number;
}

std::string NetlinkReply::attribute_text(std::size_t fixed_bytes,
                                         std::uint16_t attribute_type) const {
  const Bytes value = attribute(fixed_bytes, attribute_type);
  const auto end = std::find(value.begin(), value.end(), std::byte{0});
  return std::string(reinterpret_cast<const char*>(value.data()),
                     static_cast<std::size_t>(end - value.begin()));
}

IpAddress NetlinkReply::attribute_address(std::size_t fixed_bytes,
                                          std::uint16_t attribute_type) const noexcept {
  const Bytes value = attribute(fixed_bytes, attribute_type);
  return value.size() == 4 || value.size() == 16 ? IpAddress::from_bytes(value) : IpAddress();
}

}  // namespace wanbond
