// Emulator: carries packets between pairs of TUN devices in two namespaces, each direction through
// a LinkModel, all links in one thread. What netem would do, where the kernel has no netem.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/fd.h"
#include "io/io.h"
#include "lab/link_model.h"
#include "lab/netns.h"
#include "lab/packet_store.h"
#include "lab/plain_tun.h"

namespace wanbond {

/// Gives the calling thread (not its children) the lowest real-time priority and a timer slack of
/// 1 ns: then links keep their delays however busy the sites are. False where that is not allowed,
/// and delays are only as exact as the machine is idle.
bool run_in_real_time() noexcept;

enum class LinkDirection : std::uint8_t { AToB, BToA };
inline constexpr std::array<LinkDirection, 2> kBothDirections{LinkDirection::AToB,
                                                              LinkDirection::BToA};
/// "a2b", "b2a".
const char* to_string(LinkDirection direction) noexcept;

/// A link to be made. The namespaces must outlive the emulator.
struct EmulatedLink {
  std::string name;
  std::array<const Netns*, 2> netns{};  // of end a, of end b
  std::array<LinkEnd, 2> ends;
  std::array<LinkSettings, 2> settings;  // by LinkDirection
};

/// What the model does not see, per direction.
struct EmulatorCounters {
  std::uint64_t no_memory = 0;  // no slot for a packet that came in
  std::uint64_t refused = 0;    // the far device did not take it: it is down or gone
  std::uint64_t cut_short = 0;  // larger than any device was when the emulator began
};

/// New settings for one direction.
struct DirectionChange {
  LinkDirection direction{};
  LinkSettings settings;
};

/// All links of an experiment. Not thread-safe. The devices vanish with it.
class Emulator {
 public:
  /// Makes all devices. Equal seeds give equal losses for equal traffic. `packets_max` bounds what
  /// is inside all links together.
  static Result<Emulator> open(std::vector<EmulatedLink> links, std::uint64_t seed,
                               std::uint32_t packets_max = 65536);

  Emulator(Emulator&&) noexcept = default;
  Emulator& operator=(Emulator&&) = delete;
  ~Emulator() = default;

  /// Adds a descriptor to wait for; turn() names it while it is readable.
  Result<void> watch(int fd);
  /// Ends that; before the descriptor is closed.
  void unwatch(int fd) noexcept;
  /// Waits until packets move, a watched descriptor is readable or `deadline` has come, and moves
  /// what is due; call it in a loop. The watched descriptors that are readable, valid until the
  /// next call.
  std::span<const int> turn(Time deadline);

  std::size_t link_count() const noexcept;
  const EmulatedLink& link(std::size_t index) const noexcept;
  std::optional<std::size_t> find(std::string_view name) const noexcept;

  /// Changes the settings of one or both directions at one moment, and returns it: every packet
  /// delivered was delivered before. Packets that wait for the emulator at its device count as
  /// sent before, so that none sent during a cut gets through after it.
  Time set(std::size_t index, std::span<const DirectionChange> changes);
  const LinkModel& model(std::size_t index, LinkDirection direction) const noexcept;
  const EmulatorCounters& counters(std::size_t index, LinkDirection direction) const noexcept;

 private:
  struct Lane {    // one direction
    Fd in;         // the device that packets come from; the other lane of the link writes to it
    int out = -1;  // the far device, owned by the other lane
    LinkModel model;
    EmulatorCounters counters{};
  };
  Emulator(std::vector<EmulatedLink> links, std::uint32_t packets_max, std::size_t slot_bytes);

  Result<void> open_devices(std::uint64_t seed);
  Lane& lane(std::size_t index, LinkDirection direction) noexcept;
  void wait(Time deadline);
  bool receive(Lane& lane);
  void deliver_due(Lane& lane, Time now);

  std::vector<EmulatedLink> links_;
  std::vector<Lane> lanes_;  // two per link, AToB first
  PacketStore store_;
  std::vector<std::byte> scratch_;  // where a packet is read that finds no slot
  Fd epoll_;
  std::vector<Lane*> readable_;
  std::vector<int> ready_;
  Time last_turn_{};
  bool backlog_ = false;  // some device had more than one turn takes
};

}  // namespace wanbond
