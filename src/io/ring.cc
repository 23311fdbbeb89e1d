#include "io/ring.h"

#include <errno.h>
#include <poll.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"

namespace wanbond {
namespace {

/// How long to sleep at most while the TUN waits for a packet buffer to come free.
constexpr Duration kStarvedPause = 10ms;
/// How often the kernel is asked to end the requests of a descriptor before we go on without.
constexpr int kCancelTries = 100;

/// user_data of a request: operation, generation of its place, index of its place or slot.
constexpr unsigned kOpShift = 56;
constexpr unsigned kGenerationShift = 32;
constexpr std::uint32_t kGenerationMask = 0xffffff;
constexpr std::uint64_t kIndexMask = 0xffffffff;

/// Errors of a receive after which receiving again is useless.
bool is_socket_dead(int error) noexcept {
  return error == EBADF || error == ENOTSOCK || error == EINVAL || error == EOPNOTSUPP ||
         error == EFAULT;
}

}  // namespace

Ring::~Ring() {
  if (!ring_open_) return;
  if (tun_ >= 0) cancel(tun_);
  for (SocketPlace& socket : sockets_)
    if (socket.fd >= 0) cancel(socket.fd);
  for (WatchPlace& place : watches_)
    if (place.fd >= 0) cancel(place.fd);
  for (int tries = 0; in_flight_ > 0 && tries < kCancelTries; ++tries) {
    __kernel_timespec pause{.tv_sec = 0, .tv_nsec = 10'000'000};
    io_uring_cqe* cqe = nullptr;
    io_uring_wait_cqe_timeout(&ring_, &cqe, &pause);
    while (io_uring_peek_cqe(&ring_, &cqe) == 0) {
      if (is_last(*cqe)) --in_flight_;
      io_uring_cqe_seen(&ring_, cqe);
    }
  }
  io_uring_queue_exit(&ring_);
}

io_uring_sqe* Ring::entry() noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe == nullptr && submit()) sqe = io_uring_get_sqe(&ring_);
  return sqe;
}

void Ring::tag(io_uring_sqe& sqe, Op op, std::uint32_t generation, std::size_t index) noexcept {
  sqe.user_data = std::uint64_t{static_cast<std::uint8_t>(op)} << kOpShift |
                  std::uint64_t{generation} << kGenerationShift | index;
  // Where only an error makes a completion, there is nothing to wait for.
  if ((sqe.flags & IOSQE_CQE_SKIP_SUCCESS) == 0) ++in_flight_;
}

bool Ring::submit() noexcept {
  for (int tries = 0; io_uring_sq_ready(&ring_) > 0; ++tries) {
    const int r = io_uring_submit(&ring_);
    if (r < 0 && (r != -EINTR || tries > kCancelTries)) return false;
  }
  on_submitted();
  return true;
}

void Ring::on_submitted() noexcept {
  vectors_used_ = 0;
  unsent_bytes_ = 0;
  if (sent_.empty()) return;
  unsigned head = 0;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if (static_cast<Op>(cqe->user_data >> kOpShift) == Op::Send)
      slots_[cqe->user_data & kIndexMask].refused = true;
  }
  for (const std::uint16_t slot : sent_)
    if (!slots_[slot].refused) release(slot);
  sent_.clear();
}

void Ring::release(std::uint16_t slot) noexcept {
  slots_[slot].train = {};
  slots_[slot].refused = false;
  free_slots_.push_back(slot);
}

void Ring::fail(const Transmit& train, int error) noexcept {
  ++counters_.send_failures;
  (void)failures_.push(
      send_failed(train.socket, train.remote, error));  // full: others tell the same
}

void Ring::cancel(int fd) noexcept {
  submit();
  for (int tries = 0; tries < kCancelTries; ++tries) {
    io_uring_sync_cancel_reg request{};
    request.fd = fd;
    request.flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    request.timeout = {.tv_sec = -1, .tv_nsec = -1};
    const int found = io_uring_register_sync_cancel(&ring_, &request);
    io_uring_get_events(&ring_);  // lets what was cancelled complete and drop its hold on the file
    if (found <= 0 && found != -EINTR) return;
  }
}

Result<void> Ring::add_tun(int fd) {
  if (tun_ >= 0) return Error{"a TUN device is already in use"};
  if (const int error = set_nonblocking(fd); error != 0)
    return Error{std::string("cannot use the TUN descriptor: ") + std::strerror(error)};
  // One byte is no packet: the device refuses it, but not before it has looked at the flag.
  std::byte nothing{};
  iovec vector{&nothing, 1};
  const bool nowait = ::pwritev2(fd, &vector, 1, -1, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP;
  tun_writes_ = nowait ? TunWrites::Submitted : TunWrites::Direct;
  tun_ = fd;
  arm_tun();
  return {};
}

Result<void> Ring::add_socket(SocketId id, int fd) {
  Result<SocketPlace*> place = sockets_.add(id, fd);
  if (!place) return place.error();
  arm_receives();
  return {};
}

void Ring::remove_socket(SocketId id) noexcept {
  SocketPlace* place = sockets_.find(id);
  if (place == nullptr) return;
  cancel(place->fd);
  sockets_.remove(*place);
}

Result<void> Ring::watch(int fd, int token) {
  WatchPlace* free = nullptr;
  for (WatchPlace& place : watches_) {
    if (place.fd >= 0 && place.token == token)
      return Error{"token " + std::to_string(token) + " is already watched"};
    if (place.fd < 0 && free == nullptr) free = &place;
  }
  if (free == nullptr)
    return Error{"cannot watch more than " + std::to_string(kWatches) + " descriptors"};
  *free = {.fd = fd, .token = token, .generation = free->generation};
  arm_watches();
  return {};
}

void Ring::unwatch(int token) noexcept {
  for (WatchPlace& place : watches_) {
    if (place.fd < 0 || place.token != token) continue;
    cancel(place.fd);
    place = {.generation = (place.generation + 1) & std::uint32_t{kGenerationMask}};
  }
}

bool Ring::transmit(Transmit&& train) noexcept {
  SocketPlace* socket = sockets_.find(train.socket);
  if (socket == nullptr || train.segments.buffer.size() == 0) return false;
  if (goes_singly(*socket, train)) {
    submit();  // keeps the order
    ++counters_.sends;
    const Transmit mine = std::move(train);
    if (const int error = send_train(*socket, mine, counters_); error != 0) fail(mine, error);
    return true;
  }
  if (free_slots_.empty()) submit();
  io_uring_sqe* sqe = free_slots_.empty() ? nullptr : entry();
  if (sqe == nullptr) return false;
  ++counters_.sends;
  const std::uint16_t index = free_slots_.back();
  free_slots_.pop_back();
  SendSlot& slot = slots_[index];
  slot.train = std::move(train);
  const int error = slot.message.prepare(
      slot.train, socket->family, slot.train.segments.buffer.bytes(), offload_bytes(slot.train));
  if (error == 0)
    io_uring_prep_sendmsg(sqe, socket->fd, &slot.message.header(), MSG_DONTWAIT | MSG_NOSIGNAL);
  else
    io_uring_prep_nop(sqe);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  tag(*sqe, Op::Send, 0, index);
  if (error != 0) fail(slot.train, error);
  (void)sent_.push(index);  // as many as slots
  unsent_bytes_ += slot.train.segments.buffer.size();
  if (unsent_bytes_ >= kUnsentBytesMax) submit();
  return true;
}

bool Ring::write_tun(std::span<const Bytes> parts) noexcept {
  if (tun_ < 0 || parts.empty() || parts.size() > kPartsMax) return false;
  if (tun_writes_ == TunWrites::Direct) {
    ++counters_.tun_writes;
    if (write_parts(tun_, parts) != 0) ++counters_.tun_write_failures;
    return true;
  }
  if (vectors_used_ + parts.size() > kVectors && !submit()) return false;
  io_uring_sqe* sqe = entry();  // may submit, which frees the vectors
  if (sqe == nullptr) return false;
  ++counters_.tun_writes;
  iovec* vectors = vectors_.get() + vectors_used_;
  vectors_used_ += parts.size();
  for (std::size_t i = 0; i < parts.size(); ++i)
    vectors[i] = {const_cast<std::byte*>(parts[i].data()), parts[i].size()};
  io_uring_prep_writev2(sqe, tun_, vectors, static_cast<unsigned>(parts.size()), 0, RWF_NOWAIT);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  tag(*sqe, Op::TunWrite, 0, 0);
  return true;
}

void Ring::arm_tun() noexcept {
  if (tun_ < 0) return;
  const bool multishot = tun_reads_ == TunReads::Multishot;
  if (multishot) tun_buffers_.refill();
  if (tun_reading_) return;
  const MutableBytes room = multishot ? MutableBytes{} : reader_.room();
  if (multishot ? tun_buffers_.empty() : room.empty()) {
    ++counters_.no_buffer;
    return;
  }
  io_uring_sqe* sqe = entry();
  if (sqe == nullptr) return;
  if (multishot) {
    io_uring_prep_rw(kReadMultishot, sqe, tun_, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = TunBuffers::kGroup;
  } else {
    io_uring_prep_read(sqe, tun_, room.data(), static_cast<unsigned>(room.size()), 0);
  }
  tag(*sqe, Op::TunRead, 0, 0);
  tun_reading_ = true;
}

void Ring::arm_receives() noexcept {
  for (SocketPlace& socket : sockets_) {
    if (socket.fd < 0 || socket.receiving || socket.refused) continue;
    io_uring_sqe* sqe = entry();
    if (sqe == nullptr) return;
    io_uring_prep_recvmsg_multishot(sqe, socket.fd, &receive_shape_, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RingBuffers::kGroup;
    tag(*sqe, Op::Receive, socket.generation, sockets_.index_of(socket));
    socket.receiving = true;
  }
}

void Ring::arm_watches() noexcept {
  for (std::size_t i = 0; i < watches_.size(); ++i) {
    WatchPlace& place = watches_[i];
    if (place.fd < 0 || place.armed) continue;
    io_uring_sqe* sqe = entry();
    if (sqe == nullptr) return;
    // One shot at a time: multishot polls report changes, but a watch is to report a state.
    io_uring_prep_poll_add(sqe, place.fd, POLLIN);
    tag(*sqe, Op::Watch, place.generation, i);
    place.armed = true;
  }
}

void Ring::rest(Time until) noexcept {
  if (tun_reads_ != TunReads::Multishot) {
    submit();
    return sleep_until(until);
  }
  if (tun_ >= 0 && !tun_reading_) return;  // for want of buffers: more packets wait
  prepare();
  submit_and_sleep(until, kCompletions);
}

void Ring::wait(Time deadline) noexcept {
  prepare();
  if (io_uring_sq_ready(&ring_) == 0 && io_uring_cq_ready(&ring_) > 0) return;  // from a rest
  if (tun_ >= 0 && !tun_reading_) deadline = std::min(deadline, monotonic_now() + kStarvedPause);
  submit_and_sleep(failures_.empty() ? deadline : Time{}, 1);
}

void Ring::prepare() noexcept {
  batch_.clear();
  // In the queue behind the TUN writes of the last turn, which read from the receive buffers: a
  // request runs only when those before it are done, so the buffers may be given back already.
  arm_tun();
  arm_watches();
  arm_receives();
  buffers_.give_back();
}

void Ring::submit_and_sleep(Time deadline, unsigned count) noexcept {
  for (int tries = 0; tries < kCancelTries; ++tries) {
    const Duration left = deadline == kNever ? 1s : deadline - monotonic_now();
    __kernel_timespec pause{.tv_sec = left / 1s, .tv_nsec = (left % 1s).count()};
    io_uring_cqe* cqe = nullptr;
    if (left <= Duration::zero())
      io_uring_submit_and_get_events(&ring_);
    else
      io_uring_submit_and_wait_timeout(&ring_, &cqe, count, deadline == kNever ? nullptr : &pause,
                                       nullptr);
    if (io_uring_sq_ready(&ring_) == 0) return on_submitted();
  }
}

std::span<Completion> Ring::reap() noexcept {
  batch_.clear();
  for (Completion& failed : failures_) check(batch_.push(std::move(failed)));
  failures_.clear();
  io_uring_cqe* cqe = nullptr;
  while (!batch_.full() && io_uring_peek_cqe(&ring_, &cqe) == 0) {
    const io_uring_cqe taken = *cqe;
    io_uring_cqe_seen(&ring_, cqe);
    handle(taken);
  }
  drained_ = all_read();
  return batch_;
}

bool Ring::all_read() noexcept {
  // What arrives wakes its receive, which marks the ring at once; peek then runs the receive.
  io_uring_cqe* cqe = nullptr;
  if (io_uring_peek_cqe(&ring_, &cqe) == 0) return false;
  return std::all_of(sockets_.begin(), sockets_.end(), [](const SocketPlace& socket) {
    return socket.fd < 0 || socket.receiving || socket.refused;
  });
}

bool Ring::is_last(const io_uring_cqe& cqe) noexcept {
  const Op op = static_cast<Op>(cqe.user_data >> kOpShift);
  return (cqe.flags & IORING_CQE_F_MORE) == 0 && op != Op::TunWrite && op != Op::Send;
}

void Ring::handle(const io_uring_cqe& cqe) noexcept {
  if (is_last(cqe)) --in_flight_;
  const std::size_t index = cqe.user_data & kIndexMask;
  const auto generation =
      static_cast<std::uint32_t>(cqe.user_data >> kGenerationShift & kGenerationMask);
  switch (static_cast<Op>(cqe.user_data >> kOpShift)) {
    case Op::Probe:
      break;
    case Op::TunRead:
      on_tun_read(cqe);
      break;
    case Op::TunWrite:
      if (cqe.res < 0) ++counters_.tun_write_failures;
      break;
    case Op::Receive:
      on_receive(cqe, generation, index);
      break;
    case Op::Send:
      on_send(cqe.res, index);
      break;
    case Op::Watch:
      on_watch(cqe.res, generation, index);
      break;
  }
}

void Ring::on_tun_read(const io_uring_cqe& cqe) noexcept {
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) tun_reading_ = false;  // again at the next wait()
  if (tun_reads_ == TunReads::Single) return on_tun_read_single(cqe.res);
  if (cqe.res > 0) {
    const auto id = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
    return push_tun(tun_buffers_.take(id, static_cast<std::size_t>(cqe.res)));
  }
  switch (-cqe.res) {
    case EAGAIN:
    case EINTR:
    case ECANCELED:
    case ENOBUFS:  // more packets than buffers: nothing is lost
      return;
    case EINVAL:
    case EOPNOTSUPP:
      tun_reads_ = TunReads::Single;
      return;
    default:
      return on_tun_failed(cqe.res == 0 ? EBADFD : -cqe.res);
  }
}

void Ring::push_tun(Packet&& packet) noexcept {
  ++counters_.tun_reads;
  Completion done;
  done.kind = Completion::Kind::TunPacket;
  done.packet = std::move(packet);
  check(batch_.push(std::move(done)));
}

void Ring::on_tun_read_single(int result) noexcept {
  if (result == -EAGAIN || result == -EINTR || result == -ECANCELED) return;
  if (result <= 0) return on_tun_failed(result == 0 ? EBADFD : -result);
  // No read is in flight now, so what else waits can be fetched in order without the ring.
  std::optional<Packet> packet = reader_.take(static_cast<std::size_t>(result));
  int error = 0;
  for (std::size_t reads = 1; packet; ++reads) {
    push_tun(std::move(*packet));
    if (batch_.full() || reads == kTunReadsMax) return;
    packet = reader_.read(tun_, error);
  }
  if (error != 0 && error != ENOBUFS) on_tun_failed(error);
}

void Ring::on_tun_failed(int error) noexcept {
  Completion failed;
  failed.kind = Completion::Kind::TunFailed;
  failed.error = error;
  check(batch_.push(std::move(failed)));
  if (is_device_gone(error)) tun_ = -1;
}

void Ring::on_receive(const io_uring_cqe& cqe, std::uint32_t generation,
                      std::size_t index) noexcept {
  const bool has_buffer = (cqe.flags & IORING_CQE_F_BUFFER) != 0;
  const auto id = static_cast<std::uint16_t>(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
  if (has_buffer) buffers_.taken(id);
  SocketPlace& socket = sockets_[index];
  if (socket.fd < 0 || socket.generation != generation) return;        // removed meanwhile
  if ((cqe.flags & IORING_CQE_F_MORE) == 0) socket.receiving = false;  // again at the next wait()
  if (cqe.res == -ENOBUFS) ++counters_.no_buffer;
  if (cqe.res < 0 && is_socket_dead(-cqe.res)) {
    socket.refused = true;
    check(batch_.push(send_failed(socket.id, {}, -cqe.res)));
  }
  if (cqe.res < 0 || !has_buffer) return;
  ++counters_.receives;
  const MutableBytes buffer = buffers_[id];
  io_uring_recvmsg_out* out = io_uring_recvmsg_validate(buffer.data(), cqe.res, &receive_shape_);
  if (out == nullptr || (out->flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return;
  const std::size_t bytes = io_uring_recvmsg_payload_length(out, cqe.res, &receive_shape_);
  auto* payload = static_cast<std::byte*>(io_uring_recvmsg_payload(out, &receive_shape_));
  SocketName name{};
  std::memcpy(&name, io_uring_recvmsg_name(out), std::min<std::size_t>(out->namelen, sizeof(name)));
  msghdr control{};
  control.msg_control = payload - kControlBytes;  // name, control, payload follow one another
  control.msg_controllen = out->controllen;
  const ReceiveInfo info = read_control(control);
  Completion done;
  done.kind = Completion::Kind::Datagrams;
  done.socket = socket.id;
  done.tos = info.tos;
  done.local = info.local;
  done.arrived = info.arrived;
  done.remote = read_name(name);
  done.bytes = {payload, bytes};
  done.segment_bytes =
      info.segment_bytes != 0 ? info.segment_bytes : static_cast<std::uint32_t>(bytes);
  check(batch_.push(std::move(done)));
}

void Ring::on_send(int result, std::size_t index) noexcept {
  SendSlot& slot = slots_[index];
  if (!slot.refused) return;
  SocketPlace* socket = sockets_.find(slot.train.socket);
  const int error =
      socket == nullptr ? -result : recover_train(*socket, slot.train, -result, counters_);
  if (error != 0) {
    ++counters_.send_failures;
    check(batch_.push(send_failed(slot.train.socket, slot.train.remote, error)));
  }
  release(static_cast<std::uint16_t>(index));
}

void Ring::on_watch(int result, std::uint32_t generation, std::size_t index) noexcept {
  WatchPlace& place = watches_[index];
  if (place.fd < 0 || place.generation != generation) return;
  place.armed = false;
  if (result == -ECANCELED) return;
  Completion done;
  done.kind = Completion::Kind::Readable;
  done.token = place.token;
  check(batch_.push(std::move(done)));
}

}  // namespace wanbond
