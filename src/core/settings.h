// What a node is told at its start: plain values, already checked by the configuration parser.
// Host names, devices, users and hooks are the program's matter and are not here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "crypto/aead.h"
#include "crypto/handshake_message.h"
#include "crypto/key.h"
#include "sched/rules.h"
#include "tun/offload.h"

namespace wanbond {

/// One WAN of this box. Its SocketId is its index in NodeSettings::wans.
struct WanSettings {
  std::string name;           // 1 to 16 printable ASCII characters, unique; empty: a spare place
  unsigned priority = 1;      // 1 to 255; a lower number is used first
  bool metered = false;       // slow heartbeats, used only when no other WAN is usable
  Duration heartbeat = 20ms;  // BFD interval while in use, 10 ms to 10 s
  unsigned detect_mult = 4;   // BFD detect multiplier, 2 to 25
  BitRate rate_max{};         // ceiling, 0 = none
  std::uint16_t mtu_bytes = 1500;  // of the interface: the largest IP packet it sends
  std::uint16_t listen_port = 0;   // its addresses are offered to peers with it; 0: they are not
};

/// What the machine says of a WAN: at its start and whenever it changes.
struct WanState {
  std::string name;                  // takes a spare place under this name; empty: as it is
  bool usable = true;                // its device is there, is up and has a carrier
  std::vector<IpAddress> addresses;  // of the interface; empty: not known, or none
  std::uint16_t mtu_bytes = 1500;
  friend bool operator==(const WanState&, const WanState&) = default;
};

/// A path that this node may use: a WAN and the peer's endpoint (index into
/// PeerSettings::endpoints), or any address the peer calls from.
struct PathSettings {
  SocketId wan;
  std::optional<std::size_t> endpoint;
};

/// One peer. Its PeerId is its index in NodeSettings::peers.
struct PeerSettings {
  std::string name;
  PublicKey public_key;
  PresharedKey preshared_key;       // all zeros: none
  std::vector<Endpoint> endpoints;  // port 0: its host name is not resolved yet
  std::vector<Prefix> allowed_ips;  // routed to it and accepted from it
  std::uint32_t metric = 100;       // several peers may hold one prefix: the lowest that is up
  CipherPolicy cipher = CipherPolicy::Auto;
  std::vector<PathSettings> paths;  // at most 32 with an endpoint
};

inline constexpr std::size_t kLansMax = 64;
/// A subnet of this side's LAN, all of whose flows take one WAN.
struct LanSettings {
  Prefix subnet;
  SocketId wan;
};

/// The whole node.
struct NodeSettings {
  KeyPair keys;
  NetKey netkey;
  std::vector<WanSettings> wans;    // 1 to 32
  std::vector<PeerSettings> peers;  // at most 4096
  std::vector<LanSettings> lans;    // at most kLansMax
  std::vector<FlowRule> rules;      // at most kRulesMax; the first that matches counts
  std::uint16_t tun_mtu_bytes = 1420;
  UdpOffload tun_udp = UdpOffload::Off;    // whether the TUN device takes super packets of UDP
  AeadLibrary aead = AeadLibrary::Sodium;  // who seals and opens packets: choose_aead()
  Duration rekey_after = 120s;             // shorter only in tests and the demo
};

}  // namespace wanbond
