// A picture of a node at one moment, for `show` and the metrics. Made on request; never on the
// data path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "core/bond_status.h"
#include "core/drop_reason.h"
#include "core/event.h"
#include "core/order.h"
#include "core/path_use.h"
#include "core/policy.h"
#include "crypto/aead.h"
#include "crypto/key.h"
#include "proto/bfd.h"
#include "sched/flow.h"
#include "sched/resequencer.h"

namespace wanbond {

struct PathStatus {
  std::string name;  // "fiber>198.51.100.10:51900"; a learned one "fiber>lte" by the peer's name
  PathId id;
  SocketId wan;
  IpAddress local;  // unspecified until a packet told
  Endpoint remote;
  PathState state{};
  BfdState bfd_state{};
  bool selected = false;  // what needs no order takes it, and all flows without a bond
  BondStatus bond;
  PathUse use;
  bool learned = false;                 // opened by the peer
  PathOrder order{};                    // by hand
  Duration detection_time{};            // 0 while BFD is not Up
  Duration rtt{}, rtt_min{}, jitter{};  // 0: not measured yet
  Duration delay_relative{};            // one-way, over the fastest path of the peer
  std::uint32_t loss_ppm = 0;           // of what we sent, last second or more
  BitRate rate{};                       // sent and received by the peer, last second
  std::uint16_t mtu_bytes = 0;
  std::uint64_t tx_packets = 0, tx_bytes = 0, rx_packets = 0, rx_bytes = 0;
  std::uint64_t resent_packets = 0;  // lost on this path, sent again
  std::uint32_t downs = 0;
  Cause last_down_cause{};
};

struct PeerStatus {
  std::string name;
  PublicKey public_key;
  bool up = false;
  bool has_keys = false;
  Cipher cipher{};
  Duration handshake_age{};
  std::uint64_t tx_packets = 0, tx_bytes = 0, rx_packets = 0, rx_bytes = 0;  // inner
  CopyCounters spare_copies;    // of small packets, sent without a rule
  std::uint64_t rx_probes = 0;  // packets of trains: no inner packet in them
  Resequencer::Counters resequencer;
  std::size_t held_packets = 0;      // by the resequencer, now
  std::size_t retained_packets = 0;  // super packets kept for repair, now
  std::uint64_t given_up = 0;        // of these, let go too early for lack of buffers
  FlowTable::Counts flows{};
  std::vector<RuleCounters> rules;  // as NodeSettings::rules
  std::vector<PathStatus> paths;
};

/// A [Rule] and what it was asked for, by the flows to all peers.
struct RuleStatus {
  std::string name;
  RuleMode mode{};
  RuleCounters total;
};

/// Where the first packet of a flow would go, and why.
struct FlowExplanation {
  enum class Cause : std::uint8_t { Rule, Lan, Default };
  std::string peer;
  Cause cause = Cause::Default;
  std::string rule;                // its name
  RuleMode mode{};                 // and mode
  std::vector<std::string> paths;  // the second and later ones get copies; empty: none
  /// Default: what takes nothing now.
  struct Unused {
    std::string path;
    PathUse use;
  };
  std::vector<Unused> unused = {};
};

struct NodeStatus {
  std::vector<PeerStatus> peers;
  std::vector<RuleStatus> rules;
  DropCounters drops;
};

}  // namespace wanbond
