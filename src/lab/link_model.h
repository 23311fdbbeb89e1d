// LinkModel: one direction of an emulated link as a pure machine in virtual time. The emulator
// moves real packets through it, the simulator its own; it holds only sizes and handles.
// Its two orders of parts are described at LinkSemantics; Netem's follows Linux's sch_netem.c.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/time.h"
#include "lab/link_settings.h"

namespace wanbond {

/// What became of a packet.
enum class LinkFate : std::uint8_t {
  Delivered,  // or, from push(): taken in
  Outage,     // arrived during a cut, or was in the link when it came
  TooBig,     // larger than the link's MTU
  Lost,       // random or burst loss
  QueueFull,
};
inline constexpr std::size_t kLinkFateCount = 5;

/// "lost", "queue_full" ...: the words of `stats`.
const char* to_string(LinkFate fate) noexcept;

/// A packet on its way: the caller's handle and its size without overhead.
struct LinkPacket {
  std::uint32_t handle = 0;
  std::uint32_t size_bytes = 0;
};

/// A packet that left the link, to be delivered or given back to the pool. `due` is when it left,
/// exactly; never later than the `now` of pop_due().
struct LinkDeparture {
  LinkPacket packet;
  LinkFate fate{};
  Time due{};
};

/// Since construction. `packets` and `bytes` are indexed by LinkFate. In the link now:
/// in_packets - (sum of `packets`).
struct LinkCounters {
  std::uint64_t in_packets = 0;
  std::uint64_t in_bytes = 0;
  std::array<std::uint64_t, kLinkFateCount> packets{};
  std::array<std::uint64_t, kLinkFateCount> bytes{};
};

/// Every packet that push() takes in comes out of pop_due() exactly once, delivered or not; one
/// that it refuses stays with the caller. Same settings, seed and calls: same results. Time never
/// goes back. Holds at most as many packets as the caller has handles. Call pop_due() until it
/// gives nothing before push() at the same time.
class LinkModel {
 public:
  LinkModel(const LinkSettings& settings, std::uint64_t seed);

  /// Changes the settings from `now` on. Packets in the queue are sent at the new rate (the one
  /// on the line for its remaining bits); packets that travel keep their arrival times, unless
  /// the new state is Cut.
  void set(Time now, const LinkSettings& settings);
  const LinkSettings& settings() const noexcept { return settings_; }

  /// Delivered: taken in, comes back from pop_due(). Else dropped at once, for the reason given.
  [[nodiscard]] LinkFate push(Time now, LinkPacket packet);
  /// The next packet that left until `now`, in order of `due` among the delivered; none: nothing
  /// more is due. A packet lost on the line or in a cut comes without being delivered.
  std::optional<LinkDeparture> pop_due(Time now);
  /// When pop_due() may have something next; kNever when the link is empty. Early calls are
  /// harmless.
  Time next_timeout() const noexcept;

  const LinkCounters& counters() const noexcept { return counters_; }
  /// Waiting for the line or on it (Link), or anywhere in the link (Netem); as of the last call.
  /// Bytes with overhead.
  std::size_t queue_packets() const noexcept;
  std::uint64_t queue_bytes() const noexcept;

 private:
  struct Travelling {
    Time due{};
    std::uint64_t number = 0;  // order of entry: breaks ties
    LinkPacket packet;
  };
  std::uint64_t random() noexcept;
  double uniform() noexcept;
  bool chance(std::uint32_t ppm) noexcept;
  bool draw_loss() noexcept;
  Duration draw_delay() noexcept;
  Duration least_delay() const noexcept;
  std::uint64_t line_bytes(LinkPacket packet) const noexcept;
  Duration line_time(LinkPacket packet) const noexcept;
  bool queue_has_room(LinkPacket packet) const noexcept;
  LinkFate refuse(LinkFate fate, LinkPacket packet) noexcept;
  void push_netem(Time now, LinkPacket packet);
  void advance(Time now);
  void finish_head();
  void travel(Time due, LinkPacket packet);
  void discard_all(Time now);
  LinkDeparture depart(LinkPacket packet, LinkFate fate, Time due) noexcept;

  LinkSettings settings_;
  std::uint64_t random_state_;
  bool burst_ = false;             // Gilbert's bad state
  std::deque<LinkPacket> queue_;   // the head is on the line until head_done_
  std::uint64_t queue_bytes_ = 0;  // without overhead, as pipe_bytes_
  Time head_done_{};
  std::vector<Travelling> pipe_;  // a heap, the earliest on top
  std::uint64_t pipe_bytes_ = 0;
  std::uint64_t entered_ = 0;
  Time last_due_{};                      // of the latest packet in the pipe
  std::deque<LinkDeparture> discarded_;  // to be handed back, not delivered
  LinkCounters counters_;
};

}  // namespace wanbond
