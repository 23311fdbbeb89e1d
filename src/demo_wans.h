// The demo's three WANs: emulated links between its two sites, in a process of their own that runs
// with real-time priority, so that delays hold while the machine is busy.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "io/fd.h"
#include "lab/child.h"
#include "lab/netns.h"

namespace wanbond {

/// One WAN, the same in both directions. Addresses are of documentation blocks (RFC 5737).
struct DemoWan {
  const char* name;  // of the WAN, and of its device at both sites
  Duration rtt;
  std::uint64_t rate_mbps;
  std::uint32_t loss_ppm;
  const char* branch_address;
  const char* hq_address;
};

inline constexpr std::array<DemoWan, 3> kDemoWans{{
    {"fiber", 20ms, 50, 0, "192.0.2.1", "192.0.2.2"},
    {"dsl", 40ms, 30, 0, "198.51.100.1", "198.51.100.2"},
    {"lte", 80ms, 20, 2000, "203.0.113.1", "203.0.113.2"},
}};

/// The running emulator. The devices vanish with it.
class DemoWans {
 public:
  static Result<DemoWans> start(const Netns& branch, const Netns& hq);

  /// Cuts a WAN silently: devices stay up, what is in the pipe is gone. Returns the emulator's own
  /// time of it, CLOCK_MONOTONIC.
  Result<Time> cut(const std::string& wan) { return command("cut " + wan); }
  /// Ends the cut; likewise.
  Result<Time> restore(const std::string& wan) { return command("restore " + wan); }

 private:
  DemoWans(Fd channel, Child process) noexcept
      : channel_(std::move(channel)), process_(std::move(process)) {}
  Result<Time> command(const std::string& line);

  Fd channel_;  // one message is one command or its reply
  Child process_;
};

}  // namespace wanbond
