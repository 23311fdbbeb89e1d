#include "io/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "io/netlink_message.h"

namespace wanbond {
namespace {

/// The kernel answers at once; this only keeps a broken one from hanging us.
constexpr timeval kAnswerTimeout{.tv_sec = 5, .tv_usec = 0};
/// The kernel fills dumps in parts of at most 32 KiB.
constexpr std::size_t kReceiveBytes = 65536;
/// IFF_LOWER_UP of linux/if.h, which glibc's net/if.h lacks: the carrier itself. IFF_RUNNING
/// follows it by up to a second.
constexpr unsigned kLowerUp = 1U << 16;

Result<Fd> open_socket(unsigned groups) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (!fd.valid() ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return Error{std::string("cannot talk to the kernel's routing (netlink): ") +
                 std::strerror(errno)};
  const int on = 1;  // the kernel's own words for a refusal, since 4.12
  ::setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTimeout, sizeof(kAnswerTimeout));
  return fd;
}

/// errno of an acknowledgement, 0 for success; `reason` gets the kernel's words if it sent any.
int read_acknowledgement(const nlmsghdr& head, const NetlinkReply& reply, std::string& reason) {
  const auto error = reply.fixed<nlmsgerr>();
  if (error.error != 0 && (head.nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    // The request's body follows the struct unless the kernel left it out.
    const std::size_t echoed =
        (head.nlmsg_flags & NLM_F_CAPPED) != 0 || error.msg.nlmsg_len < sizeof(nlmsghdr)
            ? 0
            : error.msg.nlmsg_len - sizeof(nlmsghdr);
    reason = reply.attribute_text(sizeof(nlmsgerr) + echoed, NLMSGERR_ATTR_MSG);
  }
  return -error.error;
}

LinkInfo read_link(const NetlinkReply& reply) {
  const auto head = reply.fixed<ifinfomsg>();
  LinkInfo link;
  link.index = head.ifi_index;
  link.name = reply.attribute_text(sizeof(head), IFLA_IFNAME);
  link.mtu = reply.attribute_u32(sizeof(head), IFLA_MTU).value_or(0);
  link.up = (head.ifi_flags & IFF_UP) != 0;
  link.running = (head.ifi_flags & kLowerUp) != 0;
  link.loopback = (head.ifi_flags & IFF_LOOPBACK) != 0;
  return link;
}

std::string address_text(const InterfaceAddress& address) {
  return address.address.to_string() + "/" + std::to_string(address.length);
}

NetlinkRequest address_request(std::uint16_t type, unsigned flags, int device,
                               const InterfaceAddress& address) {
  NetlinkRequest request(type, NLM_F_ACK | flags);
  ifaddrmsg head{};
  head.ifa_family = address.address.is_v4() ? AF_INET : AF_INET6;
  head.ifa_prefixlen = static_cast<std::uint8_t>(address.length);
  // Nobody else is on a TUN: without duplicate detection the address serves at once.
  head.ifa_flags = address.address.is_v4() ? 0 : IFA_F_NODAD;
  head.ifa_index = static_cast<std::uint32_t>(device);
  request.body(head);
  request.attribute(IFA_LOCAL, address.address.bytes());
  request.attribute(IFA_ADDRESS, address.address.bytes());
  return request;
}

}  // namespace

Result<Netlink> Netlink::open() {
  Result<Fd> fd = open_socket(0);
  if (!fd) return fd.error();
  return Netlink(std::move(*fd));
}

Result<void> Netlink::exchange(NetlinkRequest& request, const std::string& what,
                               std::initializer_list<int> harmless, const Handler& handle) {
  std::string reason;
  const int error = round_trip(request.finish(++sequence_), handle, reason);
  if (error == 0 || std::find(harmless.begin(), harmless.end(), error) != harmless.end()) return {};
  std::string text = what + ": " + std::strerror(error);
  if (!reason.empty()) text += " (" + reason + ")";
  if (error == EPERM) text += "; run as root or with CAP_NET_ADMIN";
  return Error{text};
}

int Netlink::round_trip(Bytes message, const Handler& handle, std::string& reason) {
  if (::send(fd_.get(), message.data(), message.size(), 0) < 0) return errno;
  std::vector<std::byte> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    Bytes rest = Bytes(buffer).first(static_cast<std::size_t>(got));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr head{};
      std::memcpy(&head, rest.data(), sizeof(head));
      if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest.size()) return EBADMSG;
      const NetlinkReply reply{.type = head.nlmsg_type,
                               .body = rest.first(head.nlmsg_len).subspan(sizeof(head))};
      rest = rest.subspan(std::min<std::size_t>(rest.size(), NLMSG_ALIGN(head.nlmsg_len)));
      if (head.nlmsg_seq != sequence_) continue;  // left over from an exchange that timed out
      if (head.nlmsg_type == NLMSG_DONE) return 0;
      if (head.nlmsg_type == NLMSG_ERROR) return read_acknowledgement(head, reply, reason);
      if (handle) handle(reply);
    }
  }
}

Result<std::vector<LinkInfo>> Netlink::links() {
  NetlinkRequest request(RTM_GETLINK, NLM_F_DUMP);
  request.body(ifinfomsg{});
  std::vector<LinkInfo> links;
  Result<void> done =
      exchange(request, "cannot list the interfaces", {}, [&](const NetlinkReply& reply) {
        if (reply.type == RTM_NEWLINK) links.push_back(read_link(reply));
      });
  if (!done) return done.error();
  return links;
}

Result<LinkInfo> Netlink::link(const std::string& device) {
  Result<std::vector<LinkInfo>> all = links();
  if (!all) return all.error();
  for (LinkInfo& link : *all)
    if (link.name == device) return std::move(link);
  return Error{"there is no interface \"" + device + "\"; see `ip link`"};
}

Result<std::vector<InterfaceAddress>> Netlink::addresses(const std::string& device) {
  const Result<LinkInfo> of = link(device);
  if (!of) return of.error();
  NetlinkRequest request(RTM_GETADDR, NLM_F_DUMP);
  request.body(ifaddrmsg{});
  std::vector<InterfaceAddress> found;
  Result<void> done = exchange(
      request, "cannot list the addresses of " + device, {}, [&](const NetlinkReply& reply) {
        const auto head = reply.fixed<ifaddrmsg>();
        if (reply.type != RTM_NEWADDR || static_cast<int>(head.ifa_index) != of->index) return;
        // On a point-to-point link IFA_ADDRESS is the other end's.
        IpAddress address = reply.attribute_address(sizeof(head), IFA_LOCAL);
        if (address.is_unspecified()) address = reply.attribute_address(sizeof(head), IFA_ADDRESS);
        found.push_back({address, head.ifa_prefixlen});
      });
  if (!done) return done.error();
  return found;
}

Result<void> Netlink::add_address(const std::string& device, const InterfaceAddress& address) {
  const Result<LinkInfo> to = link(device);
  if (!to) return to.error();
  NetlinkRequest request =
      address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, to->index, address);
  return exchange(request, "cannot add address " + address_text(address) + " to " + device,
                  {EEXIST});
}

Result<void> Netlink::remove_address(const std::string& device, const InterfaceAddress& address) {
  const Result<LinkInfo> from = link(device);
  if (!from) return from.error();
  NetlinkRequest request = address_request(RTM_DELADDR, 0, from->index, address);
  return exchange(request, "cannot remove address " + address_text(address) + " from " + device,
                  {EADDRNOTAVAIL});
}

Result<void> Netlink::set_up(const std::string& device) {
  const Result<LinkInfo> of = link(device);
  if (!of) return of.error();
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
  request.body(ifinfomsg{.ifi_index = of->index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP});
  return exchange(request, "cannot set " + device + " up", {});
}

Result<void> Netlink::set_mtu(const std::string& device, std::uint32_t mtu) {
  const Result<LinkInfo> of = link(device);
  if (!of) return of.error();
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
  request.body(ifinfomsg{.ifi_index = of->index});
  request.attribute(IFLA_MTU, mtu);
  return exchange(request, "cannot set the MTU of " + device + " to " + std::to_string(mtu), {});
}

Result<void> Netlink::set_group(const std::string& device, std::uint32_t group) {
  const Result<LinkInfo> of = link(device);
  if (!of) return of.error();
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
  request.body(ifinfomsg{.ifi_index = of->index});
  request.attribute(IFLA_GROUP, group);
  return exchange(request, "cannot put " + device + " into group " + std::to_string(group), {});
}

Result<Fd> open_change_monitor() {
  return open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                     RTMGRP_IPV6_ROUTE);
}

void drain_changes(int fd) noexcept {
  std::byte scrap[1];
  // What does not fit is cut off; an overflow (ENOBUFS) is one more change.
  while (::recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT | MSG_TRUNC) > 0 || errno == ENOBUFS) {
    errno = 0;
  }
}

}  // namespace wanbond
