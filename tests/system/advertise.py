"""A router advertisement (RFC 4861 section 4.2) with a prefix for each WAN, from which a host makes
itself an address of each (SLAAC, RFC 4862): how a LAN gets its addresses for MPTCP without DHCP.
"""

import socket
import struct

ROUTER_ADVERTISEMENT, PREFIX_INFORMATION = 134, 3
ON_LINK_AND_AUTONOMOUS = 0xc0
LIFETIME_S = 1800
ALL_NODES = "ff02::1"


def advertisement(prefixes):
    """ICMPv6, hop limit 64, router for LIFETIME_S; /64 prefixes. The kernel adds the checksum."""
    message = struct.pack("!BBHBBHII", ROUTER_ADVERTISEMENT, 0, 0, 64, 0, LIFETIME_S, 0, 0)
    for prefix in prefixes:
        message += struct.pack("!BBBBIII16s", PREFIX_INFORMATION, 4, 64, ON_LINK_AND_AUTONOMOUS,
                               LIFETIME_S, LIFETIME_S, 0, socket.inet_pton(socket.AF_INET6, prefix))
    return message


def advertise(site, device, prefixes):
    """Sends one to all nodes on `device` of a namespace."""
    with site.entered(), socket.socket(socket.AF_INET6, socket.SOCK_RAW,
                                       socket.IPPROTO_ICMPV6) as router:
        router.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        router.sendto(advertisement(prefixes),
                      (ALL_NODES, 0, 0, socket.if_nametoindex(device)))
