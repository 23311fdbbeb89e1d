// The picture of a running instance that show, JSON and metrics are made of: the node's own and
// what only the program knows.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/status.h"
#include "io/io.h"

namespace wanbond {

struct InstanceStatus {
  std::string name;
  std::string device;          // TUN
  std::uint32_t mtu = 0;       // of it, bytes
  std::string io;              // back end
  std::string cipher_backend;  // library
  Duration uptime{};
  std::vector<std::string> wans;  // names by SocketId
  NodeStatus node;
  IoCounters io_counters;
  std::uint64_t lost_events = 0;  // that found no room on their way
};

/// "aes-256-gcm".
std::string_view cipher_name(Cipher cipher) noexcept;
/// "AdminDown", as in RFC 5880.
std::string_view bfd_state_name(BfdState state) noexcept;
/// Why a path takes nothing, "metered; for when no other works"; "" when it does.
std::string use_text(const PathUse& use);
/// Name of a path's WAN; "" for a number that is none.
std::string_view wan_of(const InstanceStatus& status, const PathStatus& path) noexcept;

}  // namespace wanbond
