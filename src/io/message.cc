#include "io/message.h"

#include <errno.h>
#include <netinet/udp.h>
#include <time.h>

#include <cstring>

#include "base/check.h"

namespace wanbond {
namespace {

IpAddress address_of(const in_addr& address) noexcept {
  return IpAddress::from_bytes(std::as_bytes(std::span(&address, 1)));
}

IpAddress address_of(const in6_addr& address) noexcept {
  return IpAddress::from_bytes(std::as_bytes(std::span(&address, 1)));
}

/// Appends control messages to a buffer of kControlBytes.
class ControlWriter {
 public:
  explicit ControlWriter(std::byte* buffer) noexcept : buffer_(buffer) {}

  template <class T>
  void put(int level, int type, const T& value) noexcept {
    check(used_ + CMSG_SPACE(sizeof(T)) <= kControlBytes);
    cmsghdr head{};
    head.cmsg_level = level;
    head.cmsg_type = type;
    head.cmsg_len = CMSG_LEN(sizeof(T));
    std::memcpy(buffer_ + used_, &head, sizeof(head));
    std::memcpy(buffer_ + used_ + CMSG_LEN(0), &value, sizeof(T));
    used_ += CMSG_SPACE(sizeof(T));
  }
  std::size_t size() const noexcept { return used_; }

 private:
  std::byte* buffer_;
  std::size_t used_ = 0;
};

WallTime wall_time(const timespec& time) noexcept {
  return {std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

template <class T>
T value_of(const cmsghdr& head) noexcept {
  T value{};
  if (head.cmsg_len >= CMSG_LEN(sizeof(T))) std::memcpy(&value, CMSG_DATA(&head), sizeof(T));
  return value;
}

}  // namespace

socklen_t write_name(const Endpoint& endpoint, sa_family_t family, SocketName& name) noexcept {
  name = {};
  if (family == AF_INET) {
    if (!endpoint.address.is_v4()) return 0;
    name.v4.sin_family = AF_INET;
    name.v4.sin_port = htons(endpoint.port);
    std::memcpy(&name.v4.sin_addr, endpoint.address.bytes().data(), sizeof(in_addr));
    return sizeof(sockaddr_in);
  }
  name.v6.sin6_family = AF_INET6;
  name.v6.sin6_port = htons(endpoint.port);
  std::memcpy(&name.v6.sin6_addr, endpoint.address.mapped().data(), sizeof(in6_addr));
  return sizeof(sockaddr_in6);
}

Endpoint read_name(const SocketName& name) noexcept {
  if (name.generic.sa_family == AF_INET)
    return {address_of(name.v4.sin_addr), ntohs(name.v4.sin_port)};
  if (name.generic.sa_family == AF_INET6)
    return {address_of(name.v6.sin6_addr), ntohs(name.v6.sin6_port)};
  return {};
}

int SendMessage::prepare(const Transmit& train, sa_family_t family, Bytes payload,
                         std::size_t segment_bytes) noexcept {
  const socklen_t name_bytes = write_name(train.remote, family, name_);
  if (name_bytes == 0) return EAFNOSUPPORT;
  ControlWriter control(control_.data());
  const bool to_v4 = train.remote.address.is_v4();
  if (!train.local.is_unspecified() && train.local.is_v4() == to_v4) {
    if (to_v4) {
      in_pktinfo info{};
      std::memcpy(&info.ipi_spec_dst, train.local.bytes().data(), sizeof(in_addr));
      control.put(IPPROTO_IP, IP_PKTINFO, info);
    } else {
      in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, train.local.mapped().data(), sizeof(in6_addr));
      control.put(IPPROTO_IPV6, IPV6_PKTINFO, info);
    }
  }
  const int tos = train.tos;
  if (tos != 0) control.put(to_v4 ? IPPROTO_IP : IPPROTO_IPV6, to_v4 ? IP_TOS : IPV6_TCLASS, tos);
  if (segment_bytes < payload.size())
    control.put(IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segment_bytes));

  payload_ = {const_cast<std::byte*>(payload.data()), payload.size()};
  header_ = {};
  header_.msg_name = &name_;
  header_.msg_namelen = name_bytes;
  header_.msg_iov = &payload_;
  header_.msg_iovlen = 1;
  header_.msg_control = control.size() > 0 ? control_.data() : nullptr;
  header_.msg_controllen = control.size();
  return 0;
}

ReceiveInfo read_control(const msghdr& header) noexcept {
  ReceiveInfo info;
  msghdr walk = header;  // CMSG_NXTHDR wants it mutable
  for (cmsghdr* c = CMSG_FIRSTHDR(&walk); c != nullptr; c = CMSG_NXTHDR(&walk, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
      info.local = address_of(value_of<in_pktinfo>(*c).ipi_addr);
    else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
      info.local = address_of(value_of<in6_pktinfo>(*c).ipi6_addr);
    else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
      info.tos = value_of<std::uint8_t>(*c);
    else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
      info.tos = static_cast<std::uint8_t>(value_of<int>(*c));
    else if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
      info.segment_bytes = static_cast<std::uint32_t>(value_of<int>(*c));
    else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
      info.arrived = wall_time(value_of<timespec>(*c));
  }
  return info;
}

}  // namespace wanbond
