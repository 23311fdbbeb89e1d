#include "lab/emulator.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/check.h"

namespace wanbond {
namespace {

// Packets read from one device before what is due elsewhere gets its turn: some 30 us of work.
constexpr int kReadBatch = 16;
// Packets that may wait at a device when its direction is set; twice the device's queue.
constexpr int kDrainBatches = 2 * 2000 / kReadBatch;
// Turns are at least this far apart while packets are dense: a wake-up for each packet would cost
// more than the packets. What it adds to a delay stays far below 0.5 ms.
constexpr Duration kTurnMin = 100us;
constexpr std::size_t kEventsMax = 64;
constexpr std::uint64_t kWatchFlag = std::uint64_t{1} << 32;

timespec to_timespec(Duration d) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(d);
  return {.tv_sec = seconds.count(), .tv_nsec = (d - seconds).count()};
}

std::size_t largest_mtu(const std::vector<EmulatedLink>& links) noexcept {
  std::size_t largest = 0;
  for (const EmulatedLink& link : links)
    for (const LinkEnd& end : link.ends) largest = std::max<std::size_t>(largest, end.mtu_bytes);
  return largest;
}

}  // namespace

bool run_in_real_time() noexcept {
  ::prctl(PR_SET_TIMERSLACK, 1UL);  // the default of 50 us would be added to every delay
  const sched_param lowest{.sched_priority = 1};
  return ::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &lowest) == 0;
}

const char* to_string(LinkDirection direction) noexcept {
  return direction == LinkDirection::AToB ? "a2b" : "b2a";
}

Emulator::Emulator(std::vector<EmulatedLink> links, std::uint32_t packets_max,
                   std::size_t slot_bytes)
    : links_(std::move(links)),
      store_(packets_max, (slot_bytes + 63) / 64 * 64),
      scratch_(slot_bytes),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  readable_.reserve(kEventsMax);
  ready_.reserve(kEventsMax);
}

Result<Emulator> Emulator::open(std::vector<EmulatedLink> links, std::uint64_t seed,
                                std::uint32_t packets_max) {
  const std::size_t slot_bytes = largest_mtu(links) + 1;  // a full slot tells of a larger packet
  Emulator emulator(std::move(links), packets_max, slot_bytes);
  if (!emulator.epoll_.valid())
    return Error{std::string("cannot create an epoll: ") + std::strerror(errno)};
  if (const auto opened = emulator.open_devices(seed); !opened) return opened.error();
  return emulator;
}

Result<void> Emulator::open_devices(std::uint64_t seed) {
  lanes_.reserve(2 * links_.size());
  for (const EmulatedLink& link : links_) {
    for (std::size_t side = 0; side < 2; ++side) {
      auto fd = open_plain_tun(*link.netns[side], link.ends[side]);
      if (!fd) return Error{"link " + link.name + ": " + fd.error().message};
      epoll_event event{.events = EPOLLIN, .data = {.u64 = lanes_.size()}};
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd->get(), &event) != 0)
        return Error{"link " + link.name + ": epoll: " + std::strerror(errno)};
      // Seeds a large odd step apart: their streams do not meet.
      const std::uint64_t lane_seed = seed + 0xd1342543de82ef95 * lanes_.size();
      lanes_.push_back({std::move(*fd), -1, LinkModel(link.settings[side], lane_seed)});
    }
    Lane& a = lanes_[lanes_.size() - 2];
    Lane& b = lanes_[lanes_.size() - 1];
    a.out = b.in.get();
    b.out = a.in.get();
  }
  return {};
}

Result<void> Emulator::watch(int fd) {
  epoll_event event{.events = EPOLLIN,
                    .data = {.u64 = kWatchFlag | static_cast<std::uint32_t>(fd)}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Error{std::string("epoll: ") + std::strerror(errno)};
}

void Emulator::unwatch(int fd) noexcept {
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const int> Emulator::turn(Time deadline) {
  for (const Lane& lane : lanes_) deadline = std::min(deadline, lane.model.next_timeout());
  if (!backlog_ && monotonic_now() < last_turn_ + kTurnMin) sleep_until(last_turn_ + kTurnMin);
  wait(deadline);
  last_turn_ = monotonic_now();
  backlog_ = false;
  for (Lane* lane : readable_) {
    backlog_ |= receive(*lane);
    deliver_due(*lane, monotonic_now());
  }
  const Time now = monotonic_now();
  for (Lane& lane : lanes_)
    if (lane.model.next_timeout() <= now) deliver_due(lane, now);
  return ready_;
}

// Sorts what is ready into lanes and watched descriptors.
void Emulator::wait(Time deadline) {
  std::array<epoll_event, kEventsMax> events;
  const timespec limit = to_timespec(std::max(Duration{0}, deadline - monotonic_now()));
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   deadline == kNever ? nullptr : &limit, nullptr);
  readable_.clear();
  ready_.clear();
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
    if ((data & kWatchFlag) != 0)
      ready_.push_back(static_cast<int>(data & ~kWatchFlag));
    else
      readable_.push_back(&lanes_[data]);
  }
}

// Takes up to kReadBatch packets from the lane's device; false if it was empty before that.
bool Emulator::receive(Lane& lane) {
  for (int i = 0; i < kReadBatch; ++i) {
    const auto handle = store_.acquire();
    const MutableBytes room = handle ? store_.slot(*handle) : MutableBytes(scratch_);
    const ssize_t size = ::read(lane.in.get(), room.data(), room.size());
    const bool whole = size < static_cast<ssize_t>(room.size());
    const bool taken =
        size > 0 && handle && whole &&
        lane.model.push(monotonic_now(), {*handle, static_cast<std::uint32_t>(size)}) ==
            LinkFate::Delivered;
    if (handle && !taken) store_.release(*handle);
    if (size <= 0) return false;
    if (!handle) ++lane.counters.no_memory;
    if (handle && !whole) ++lane.counters.cut_short;
  }
  return true;
}

void Emulator::deliver_due(Lane& lane, Time now) {
  while (const auto departure = lane.model.pop_due(now)) {
    const LinkPacket packet = departure->packet;
    if (departure->fate == LinkFate::Delivered) {
      const MutableBytes bytes = store_.slot(packet.handle).first(packet.size_bytes);
      if (::write(lane.out, bytes.data(), bytes.size()) < 0) ++lane.counters.refused;
    }
    store_.release(packet.handle);
  }
}

std::size_t Emulator::link_count() const noexcept { return links_.size(); }

const EmulatedLink& Emulator::link(std::size_t index) const noexcept { return links_[index]; }

std::optional<std::size_t> Emulator::find(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < links_.size(); ++i)
    if (links_[i].name == name) return i;
  return std::nullopt;
}

Time Emulator::set(std::size_t index, std::span<const DirectionChange> changes) {
  for (const DirectionChange& change : changes) {
    Lane& changed = lane(index, change.direction);
    for (int i = 0; i < kDrainBatches && receive(changed); ++i) {
    }
    deliver_due(changed, monotonic_now());
  }
  const Time now = monotonic_now();
  for (const DirectionChange& change : changes) {
    Lane& changed = lane(index, change.direction);
    changed.model.set(now, change.settings);
    deliver_due(changed, now);
  }
  return now;
}

Emulator::Lane& Emulator::lane(std::size_t index, LinkDirection direction) noexcept {
  return lanes_[2 * index + static_cast<std::size_t>(direction)];
}

const LinkModel& Emulator::model(std::size_t index, LinkDirection direction) const noexcept {
  return lanes_[2 * index + static_cast<std::size_t>(direction)].model;
}

const EmulatorCounters& Emulator::counters(std::size_t index,
                                           LinkDirection direction) const noexcept {
  return lanes_[2 * index + static_cast<std::size_t>(direction)].counters;
}

}  // namespace wanbond
