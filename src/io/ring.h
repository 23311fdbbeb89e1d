// Ring: the I/O back end on io_uring. Receives and TUN reads are multishot into provided buffers;
// sends and TUN writes of a turn go to the kernel with the call that waits for more. Sources:
// io_uring(7), datapath 3.3.
#pragma once

#include <liburing.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fixed.h"
#include "io/io.h"
#include "io/ring_buffers.h"
#include "io/socket_table.h"
#include "io/tun_buffers.h"
#include "io/tun_file.h"

namespace wanbond {

/// An Io over io_uring(7). Made and used by one thread only (IORING_SETUP_SINGLE_ISSUER).
class Ring final : public Io {
 public:
  /// Tries all that is needed (ring, buffer ring, one operation) and says what was refused: needs
  /// Linux 6.1, and neither kernel.io_uring_disabled nor a seccomp filter against it.
  static Result<std::unique_ptr<Io>> make(PacketPool& pool);
  /// Cancels everything and waits for it, so that sockets and TUN can be opened again at once.
  ~Ring() override;

  const char* name() const noexcept override { return "io_uring"; }
  Result<void> add_tun(int fd) override;
  Result<void> add_socket(SocketId id, int fd) override;
  void remove_socket(SocketId id) noexcept override;
  Result<void> watch(int fd, int token) override;
  void unwatch(int token) noexcept override;
  bool transmit(Transmit&& train) noexcept override;
  bool write_tun(std::span<const Bytes> parts) noexcept override;
  void rest(Time until) noexcept override;
  void wait(Time deadline) noexcept override;
  std::span<Completion> reap() noexcept override;
  bool drained() const noexcept override { return drained_; }
  const IoCounters& counters() const noexcept override { return counters_; }

 private:
  static constexpr std::size_t kBatch = 64;        // completions of one reap()
  static constexpr std::size_t kSlots = 512;       // trains given to the kernel and not yet done
  static constexpr std::size_t kVectors = 4096;    // parts of all TUN writes of one submission
  static constexpr std::size_t kTunReadsMax = 64;  // TUN packets of one reap()
  static constexpr std::size_t kWatches = 64;
  /// Completions: every slot, receive buffer and watch at once, and as many TUN writes again.
  static constexpr unsigned kCompletions = 2048;
  /// Trains are handed over after so many bytes, so that their buffers come back while they are in
  /// the cache of the core.
  static constexpr std::size_t kUnsentBytesMax = 128 * 1024;
  /// IORING_OP_READ_MULTISHOT (Linux 6.7), which liburing 2.3 does not name.
  static constexpr std::uint8_t kReadMultishot = 49;
  enum class Op : std::uint8_t { Probe, TunRead, TunWrite, Receive, Send, Watch };
  /// How TUN writes go out: by the ring where the device takes IOCB_NOWAIT (Linux 6.4), so that
  /// they are done when submit returns; else by writev(2).
  enum class TunWrites : std::uint8_t { Submitted, Direct };
  /// How the TUN is read: by one request for all (Linux 6.7), or by one for each wake-up.
  enum class TunReads : std::uint8_t { Multishot, Single };
  struct SendSlot {
    Transmit train;
    SendMessage message;
    bool refused = false;  // its completion, which brings the error, waits to be reaped
  };
  struct WatchPlace {
    int fd = -1;
    int token = 0;
    std::uint32_t generation = 0;
    bool armed = false;
  };

  explicit Ring(PacketPool& pool);
  Result<void> set_up();
  /// Allows the operations that are used here, and nothing else, for good.
  Result<void> restrict();
  /// Tries one operation, and that another one is refused.
  Result<void> probe();
  /// Submits one entry and gives its result.
  int try_out(io_uring_sqe& sqe) noexcept;

  /// A free submission entry; nullptr when the kernel takes none. prep it, then tag() it.
  io_uring_sqe* entry() noexcept;
  /// Says what the entry's completions are about, and books it as in flight.
  void tag(io_uring_sqe& sqe, Op op, std::uint32_t generation, std::size_t index) noexcept;
  /// Hands over what is queued; true when nothing is left.
  bool submit() noexcept;
  /// All that was queued is with the kernel, and done where it was not refused: sends and TUN
  /// writes never wait. Their memory is free again.
  void on_submitted() noexcept;
  void release(std::uint16_t slot) noexcept;
  void fail(const Transmit& train, int error) noexcept;
  /// Cancels every request on `fd` and runs until none is left.
  void cancel(int fd) noexcept;
  void arm_tun() noexcept;
  void arm_receives() noexcept;
  void arm_watches() noexcept;

  /// True for the last completion of its request.
  static bool is_last(const io_uring_cqe& cqe) noexcept;
  /// Queues what the kernel is to read into, and gives back what it has read.
  void prepare() noexcept;
  /// Submits, and sleeps until there are `count` completions or `deadline`. Where reads are
  /// multishot (Linux 6.7) the kernel does not wake us up for fewer, and does not run them either.
  void submit_and_sleep(Time deadline, unsigned count) noexcept;
  /// Turns one completion into entries of batch_, none or one; TUN reads may make more.
  void handle(const io_uring_cqe& cqe) noexcept;
  void on_tun_read(const io_uring_cqe& cqe) noexcept;
  void on_tun_read_single(int result) noexcept;
  void push_tun(Packet&& packet) noexcept;
  void on_tun_failed(int error) noexcept;
  void on_receive(const io_uring_cqe& cqe, std::uint32_t generation, std::size_t index) noexcept;
  void on_send(int result, std::size_t index) noexcept;
  void on_watch(int result, std::uint32_t generation, std::size_t index) noexcept;
  /// Has all been taken that arrived on the sockets until now?
  bool all_read() noexcept;

  io_uring ring_{};
  bool ring_open_ = false;
  RingBuffers buffers_;
  TunBuffers tun_buffers_;
  TunReader reader_;
  int tun_ = -1;
  bool tun_reading_ = false;  // a read is in flight
  TunReads tun_reads_ = TunReads::Single;
  TunWrites tun_writes_ = TunWrites::Direct;
  SocketTable sockets_;
  std::array<WatchPlace, kWatches> watches_{};
  std::unique_ptr<SendSlot[]> slots_;
  std::vector<std::uint16_t> free_slots_;
  FixedVector<std::uint16_t, kSlots> sent_;  // slots of sends since the last on_submitted()
  std::size_t unsent_bytes_ = 0;
  std::unique_ptr<iovec[]> vectors_;
  std::size_t vectors_used_ = 0;
  std::size_t in_flight_ = 0;  // requests whose last completion is still to come
  msghdr receive_shape_{};     // how much room a receive leaves for name and control
  FixedVector<Completion, kBatch> batch_;
  FixedVector<Completion, kBatch> failures_;  // what could not be sent, until reap()
  bool drained_ = true;
  IoCounters counters_;
};

}  // namespace wanbond
