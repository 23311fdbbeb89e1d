#include "io/poll.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace wanbond {
namespace {

/// How long to sleep at most while the TUN waits for a packet buffer to come free.
constexpr Duration kStarvedPause = 10ms;

}  // namespace

Result<std::unique_ptr<Io>> Poll::make(PacketPool& pool) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return Error{std::string("epoll_create1: ") + std::strerror(errno)};
  return std::unique_ptr<Io>(new Poll(pool, std::move(epoll)));
}

Poll::Poll(PacketPool& pool, Fd epoll)
    : epoll_(std::move(epoll)),
      reader_(pool),
      memory_(new std::byte[kBuffers * kReceiveBytesMax]) {}  // pages stay untouched

Result<void> Poll::add_source(int fd, Source source, std::size_t index) {
  epoll_event event{.events = EPOLLIN, .data = {}};
  event.data.u64 = std::uint64_t{static_cast<std::uint8_t>(source)} << 32 | index;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Error{"cannot watch descriptor " + std::to_string(fd) +
               " with epoll: " + std::strerror(errno)};
}

void Poll::remove_source(int fd) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

Result<void> Poll::add_tun(int fd) {
  if (tun_ >= 0) return Error{"a TUN device is already in use"};
  if (const int error = set_nonblocking(fd); error != 0)
    return Error{std::string("cannot use the TUN descriptor: ") + std::strerror(error)};
  if (Result<void> added = add_source(fd, Source::Tun, 0); !added) return added;
  tun_ = fd;
  return {};
}

Result<void> Poll::add_socket(SocketId id, int fd) {
  Result<SocketPlace*> place = sockets_.add(id, fd);
  if (!place) return place.error();
  Result<void> added = add_source(fd, Source::Socket, sockets_.index_of(**place));
  if (!added) sockets_.remove(**place);
  return added;
}

void Poll::remove_socket(SocketId id) noexcept {
  SocketPlace* place = sockets_.find(id);
  if (place == nullptr) return;
  remove_source(place->fd);
  sockets_.remove(*place);
}

Result<void> Poll::watch(int fd, int token) {
  for (const Watch& watch : watches_)
    if (watch.fd >= 0 && watch.token == token)
      return Error{"token " + std::to_string(token) + " is already watched"};
  const auto free = std::find_if(watches_.begin(), watches_.end(),
                                 [](const Watch& watch) { return watch.fd < 0; });
  if (free == watches_.end())
    return Error{"cannot watch more than " + std::to_string(kWatches) + " descriptors"};
  const auto index = static_cast<std::size_t>(free - watches_.begin());
  if (Result<void> added = add_source(fd, Source::Watch, index); !added) return added;
  *free = {.fd = fd, .token = token};
  return {};
}

void Poll::unwatch(int token) noexcept {
  for (Watch& watch : watches_) {
    if (watch.fd < 0 || watch.token != token) continue;
    remove_source(watch.fd);
    watch = {};
  }
}

bool Poll::transmit(Transmit&& train) noexcept {
  const Transmit mine = std::move(train);
  SocketPlace* socket = sockets_.find(mine.socket);
  if (socket == nullptr || mine.segments.buffer.size() == 0) return false;
  ++counters_.sends;
  const int error = send_train(*socket, mine, counters_);
  if (error == 0) return true;
  ++counters_.send_failures;
  return failures_.push(send_failed(mine.socket, mine.remote, error));
}

bool Poll::write_tun(std::span<const Bytes> parts) noexcept {
  if (tun_ < 0 || parts.size() > kPartsMax) return false;
  ++counters_.tun_writes;
  if (write_parts(tun_, parts) != 0) ++counters_.tun_write_failures;
  return true;
}

void Poll::wait(Time deadline) noexcept {
  batch_.clear();
  receives_ = 0;
  if (!failures_.empty()) return;
  if (tun_starved_ && !reader_.room().empty()) {
    tun_starved_ = false;
    epoll_event event{.events = EPOLLIN, .data = {}};  // Source::Tun, index 0
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, tun_, &event);
  }
  if (tun_starved_) deadline = std::min(deadline, monotonic_now() + kStarvedPause);
  // epoll's own timeout counts in milliseconds, and epoll_pwait2 is unknown to older kernels and
  // container profiles; ppoll on the epoll descriptor sleeps by the nanosecond everywhere.
  pollfd any{.fd = epoll_.get(), .events = POLLIN, .revents = 0};
  for (;;) {
    timespec pause{};
    if (deadline != kNever) {
      const Duration left = std::max(Duration::zero(), deadline - monotonic_now());
      pause = {.tv_sec = left / 1s, .tv_nsec = (left % 1s).count()};
    }
    const int ready = ::ppoll(&any, 1, deadline == kNever ? nullptr : &pause, nullptr);
    if (ready >= 0 || errno != EINTR) return;
  }
}

void Poll::mark_readable(std::uint64_t data) noexcept {
  const std::size_t index = data & 0xffffffff;
  switch (static_cast<Source>(data >> 32)) {
    case Source::Tun:
      tun_readable_ = tun_ >= 0 && !tun_starved_;
      break;
    case Source::Socket:
      sockets_[index].receiving = true;
      break;
    case Source::Watch:
      watches_[index].readable = true;
      break;
  }
}

void Poll::refresh() noexcept {
  tun_readable_ = false;
  for (SocketPlace& socket : sockets_) socket.receiving = false;
  for (Watch& watch : watches_) watch.readable = false;
  static_assert(kBatch <= SocketTable::kCount);
  // Up to 129 descriptors are in the set; epoll rotates through them, so ask until it has no more.
  for (int rounds = 0; rounds < 3; ++rounds) {
    const int count =
        ::epoll_wait(epoll_.get(), events_.data(), static_cast<int>(events_.size()), 0);
    for (int i = 0; i < count; ++i) mark_readable(events_[static_cast<std::size_t>(i)].data.u64);
    if (count < static_cast<int>(events_.size())) break;
  }
}

std::span<Completion> Poll::reap() noexcept {
  batch_.clear();
  receives_ = 0;
  refresh();
  reap_failures();
  reap_watches();
  std::size_t tun_reads = 0;
  for (bool progress = true; progress && has_room();) {
    progress = false;
    for (SocketPlace& socket : sockets_)
      if (socket.receiving && has_room() && reap_socket(socket)) progress = true;
    if (tun_readable_ && tun_reads++ < kTunReadsMax && !batch_.full() && reap_tun())
      progress = true;
  }
  while (tun_readable_ && tun_reads++ < kTunReadsMax && !batch_.full() && reap_tun()) {
  }
  const auto any_left = [this] {
    return std::any_of(sockets_.begin(), sockets_.end(),
                       [](const SocketPlace& socket) { return socket.receiving; });
  };
  if (any_left()) refresh();  // the batch was full: ask, as the last receive may have emptied it
  drained_ = !any_left();
  return batch_;
}

void Poll::reap_failures() noexcept {
  for (Completion& failed : failures_)
    if (!batch_.push(std::move(failed))) break;
  failures_.clear();
}

void Poll::reap_watches() noexcept {
  for (const Watch& watch : watches_) {
    if (watch.fd < 0 || !watch.readable || batch_.full()) continue;
    (void)batch_.push({.kind = Completion::Kind::Readable, .token = watch.token});
  }
}

bool Poll::reap_socket(SocketPlace& socket) noexcept {
  std::byte* buffer = memory_.get() + receives_ * kReceiveBytesMax;
  iovec payload{buffer, kReceiveBytesMax};
  SocketName name{};
  alignas(cmsghdr) std::array<std::byte, kControlBytes> control;
  msghdr header{};
  header.msg_name = &name;
  header.msg_namelen = sizeof(name);
  header.msg_iov = &payload;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(socket.fd, &header, MSG_DONTWAIT);
  if (got < 0) {
    socket.receiving = false;  // empty, or an error that the receive has cleared
    return false;
  }
  ++counters_.receives;
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return true;
  const ReceiveInfo info = read_control(header);
  const auto bytes = static_cast<std::size_t>(got);
  Completion done;
  done.kind = Completion::Kind::Datagrams;
  done.socket = socket.id;
  done.tos = info.tos;
  done.segment_bytes =
      info.segment_bytes != 0 ? info.segment_bytes : static_cast<std::uint32_t>(bytes);
  done.remote = read_name(name);
  done.local = info.local;
  done.arrived = info.arrived;
  done.bytes = {buffer, bytes};
  ++receives_;
  return batch_.push(std::move(done));
}

bool Poll::reap_tun() noexcept {
  int error = 0;
  if (std::optional<Packet> packet = reader_.read(tun_, error)) {
    ++counters_.tun_reads;
    Completion done;
    done.kind = Completion::Kind::TunPacket;
    done.packet = std::move(*packet);
    return batch_.push(std::move(done));
  }
  tun_readable_ = false;
  if (error == 0) return false;
  if (error == ENOBUFS) {
    ++counters_.no_buffer;
    tun_starved_ = true;  // out of the set until a buffer is free, or wait() would never sleep
    epoll_event event{.events = 0, .data = {}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, tun_, &event);
    return false;
  }
  (void)batch_.push({.kind = Completion::Kind::TunFailed, .error = error});
  if (is_device_gone(error)) {
    remove_source(tun_);
    tun_ = -1;
  }
  return false;
}

}  // namespace wanbond
