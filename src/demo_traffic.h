// The demo's applications: a file over TCP from hq to the branch, and a paced UDP stream from the
// branch to hq. Each end is a process of its own in its site; it reports through a pipe.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "demo_folder.h"
#include "demo_stream.h"
#include "io/fd.h"
#include "lab/child.h"
#include "lab/netns.h"

namespace wanbond {

inline constexpr const char* kDemoSentFile = "sent.bin";
inline constexpr const char* kDemoReceivedFile = "received.bin";
/// Pace of the UDP stream: 200 packets per second of 160 bytes, as a voice call with small frames.
inline constexpr Duration kDemoPacketPace = 5ms;
inline constexpr std::size_t kDemoPacketBytes = 160;

/// One end of a stream at work.
class DemoEnd {
 public:
  DemoEnd(Child process, Fd pipe) noexcept : process_(std::move(process)), pipe_(std::move(pipe)) {}

  /// Becomes readable when there are samples.
  int fd() const noexcept { return pipe_.get(); }
  /// Reads what samples have come; an error if the process ended before its work was done.
  Result<void> take_samples();
  const StreamHistory& history() const noexcept { return history_; }

 private:
  Child process_;
  Fd pipe_;
  StreamHistory history_;
};

/// Where and how long the streams run.
struct DemoTrafficSettings {
  const DemoFolder* folder = nullptr;
  const Netns* branch = nullptr;
  const Netns* hq = nullptr;
  Time begin{}, end{};
};

/// The four ends. The file is made of random bytes while it is sent, until `end`; both copies lie
/// in the folder. The UDP receiver goes on for a second after `end`.
struct DemoTraffic {
  DemoEnd tcp_sender, tcp_receiver, udp_sender, udp_receiver;

  static Result<DemoTraffic> start(const DemoTrafficSettings& settings);
  Result<void> take_samples();
  bool is_complete() const noexcept;
};

}  // namespace wanbond
