// Making a ring: its size, what it may do, and whether it does. See ring.h.
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <utility>

#include "io/ring.h"

namespace wanbond {
namespace {

/// Submission entries; small, as rings are charged against RLIMIT_MEMLOCK (datapath 3.7).
constexpr unsigned kEntries = 256;
constexpr unsigned kSetupFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                                 IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;

/// io_uring_register(2) itself: liburing 2.3 declares the helpers used here, but lacks two of them.
int register_call(int ring, unsigned call, const void* argument, std::size_t count) noexcept {
  const long r = ::syscall(SYS_io_uring_register, ring, call, argument, count);
  return r < 0 ? -errno : static_cast<int>(r);
}

std::string reason(const char* step, int error) {
  std::string text = std::string(step) + ": " + std::strerror(error);
  if (error == EPERM || error == EACCES)
    text += " (forbidden by a seccomp filter or by sysctl kernel.io_uring_disabled)";
  if (error == ENOSYS) text += " (a kernel without io_uring, or a seccomp filter)";
  if (error == EINVAL) text += " (needs Linux 6.1)";
  if (error == ENOMEM) text += " (raise RLIMIT_MEMLOCK)";
  return text;
}

}  // namespace

Result<std::unique_ptr<Io>> Ring::make(PacketPool& pool) {
  std::unique_ptr<Ring> ring(new Ring(pool));
  if (Result<void> r = ring->set_up(); !r) return r.error();
  if (Result<void> r = ring->probe(); !r) return r.error();
  return std::unique_ptr<Io>(std::move(ring));
}

Ring::Ring(PacketPool& pool)
    : tun_buffers_(pool),
      reader_(pool),
      slots_(new SendSlot[kSlots]),
      vectors_(new iovec[kVectors]) {
  free_slots_.reserve(kSlots);
  for (std::size_t i = kSlots; i > 0; --i) free_slots_.push_back(static_cast<std::uint16_t>(i - 1));
  receive_shape_.msg_namelen = RingBuffers::kNameBytes;
  receive_shape_.msg_controllen = kControlBytes;
}

Result<void> Ring::set_up() {
  int result = -ENOMEM;
  for (unsigned shrink = 1; result == -ENOMEM && shrink <= 4; shrink *= 2) {
    io_uring_params params{};
    params.flags = kSetupFlags;
    params.cq_entries = kCompletions / shrink;
    result = io_uring_queue_init_params(kEntries / shrink, &ring_, &params);
  }
  if (result < 0) return Error{reason("io_uring_setup", -result)};
  ring_open_ = true;
  io_uring_register_ring_fd(&ring_);  // saves a look-up per call; no matter if refused
  if (Result<void> r = buffers_.set_up(ring_); !r) return r;
  if (Result<void> r = tun_buffers_.set_up(ring_); !r) return r;
  return restrict();
}

Result<void> Ring::restrict() {
  // seccomp does not see what a ring does, so the ring itself must refuse.
  std::vector<io_uring_restriction> allowed;
  for (const std::uint8_t call : {IORING_REGISTER_SYNC_CANCEL, IORING_UNREGISTER_RING_FDS})
    allowed.push_back({.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = call});
  for (const std::uint8_t op : {IORING_OP_NOP, IORING_OP_READ, IORING_OP_WRITEV, IORING_OP_RECVMSG,
                                IORING_OP_SENDMSG, IORING_OP_POLL_ADD})
    allowed.push_back({.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = op});
  allowed.push_back({.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
                     .sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS});
  allowed.push_back({.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = kReadMultishot});
  tun_reads_ = TunReads::Multishot;
  const auto restrict_to = [&](std::size_t count) {
    return register_call(ring_.ring_fd, IORING_REGISTER_RESTRICTIONS, allowed.data(), count);
  };
  int r = restrict_to(allowed.size());
  if (r == -EINVAL) {  // the last is an operation that this kernel does not know
    tun_reads_ = TunReads::Single;
    r = restrict_to(allowed.size() - 1);
  }
  if (r < 0) return Error{reason("restrict io_uring", -r)};
  r = register_call(ring_.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  if (r < 0) return Error{reason("enable io_uring", -r)};
  return {};
}

int Ring::try_out(io_uring_sqe& sqe) noexcept {
  tag(sqe, Op::Probe, 0, 0);
  io_uring_cqe* cqe = nullptr;
  int r = io_uring_submit_and_wait(&ring_, 1);
  if (r >= 0) r = io_uring_peek_cqe(&ring_, &cqe);
  if (r < 0) return r;
  --in_flight_;
  r = cqe->res;
  io_uring_cqe_seen(&ring_, cqe);
  return r;
}

Result<void> Ring::probe() {
  io_uring_sqe* sqe = entry();
  if (sqe == nullptr) return Error{"io_uring gives no submission entry"};
  io_uring_prep_nop(sqe);
  if (const int r = try_out(*sqe); r < 0) return Error{reason("io_uring NOP", -r)};
  sqe = entry();
  if (sqe == nullptr) return Error{"io_uring gives no submission entry"};
  io_uring_prep_openat(sqe, -1, "", 0, 0);
  if (const int r = try_out(*sqe); r != -EACCES)
    return Error{"io_uring does not refuse what it was told to refuse"};
  return {};
}

}  // namespace wanbond
