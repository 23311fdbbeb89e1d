// The I/O seam: what the driver asks of the kernel, and what the kernel has done. Two back ends
// keep this contract: `ring` (io_uring) and `poll` (epoll). The simulator stands in for the driver,
// not for this.
//
// One turn of the loop:
//   io.wait(deadline);  now = clock;  for (Completion& c : io.reap()) ...;  send/write_tun ...
// Under load of small packets an io.rest() comes before wait(), which lets several gather.
// `now` is read between wait() and reap(), so nothing that arrived before `now` is still unread
// when io.drained() says so; only then may a detection timer be acted on (protocol 3.2).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/address.h"
#include "base/ids.h"
#include "base/packet.h"
#include "base/result.h"
#include "base/time.h"
#include "base/transmit.h"

namespace wanbond {

/// One thing that happened. Which fields count depends on `kind`.
struct Completion {
  enum class Kind : std::uint8_t {
    TunPacket,   // packet: virtio header (10 bytes) and inner packet, or super packet
    Datagrams,   // socket, remote, local, bytes, segment_bytes, tos, arrived
    SendFailed,  // socket, remote, error: a transmit() came back
    TunFailed,   // error: the TUN device is gone or refuses; the node lives on
    Readable,    // token: a descriptor given to watch() has something to read or hung up
  };
  Kind kind{};
  std::uint8_t tos = 0;  // outer traffic class, ECN in the low two bits
  SocketId socket;
  int error = 0;  // errno
  int token = 0;
  std::uint32_t segment_bytes = 0;  // size of each datagram in `bytes`; the last may be shorter
  Endpoint remote;
  IpAddress local;     // the address it was sent to
  WallTime arrived;    // when the kernel had it; 0: unknown
  Packet packet;       // TunPacket: the handler may keep it
  MutableBytes bytes;  // Datagrams: to be opened in place; valid until the next wait()
};

/// Counters of a back end since start.
struct IoCounters {
  std::uint64_t sends = 0, send_failures = 0, receives = 0, tun_reads = 0, tun_writes = 0,
                tun_write_failures = 0, no_buffer = 0, gso_fallbacks = 0;
};

/// One of the two base classes of the project (the other is Random).
class Io {
 public:
  virtual ~Io() = default;
  Io() = default;
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  /// "io_uring" or "epoll".
  virtual const char* name() const noexcept = 0;

  /// Starts to read the TUN device. The descriptor stays the caller's and outlives the Io.
  virtual Result<void> add_tun(int fd) = 0;
  /// Starts to receive on a UDP socket. As above. `id` is new.
  virtual Result<void> add_socket(SocketId id, int fd) = 0;
  /// Stops; the descriptor may be closed once this returns.
  virtual void remove_socket(SocketId id) noexcept = 0;
  /// Reports Readable with `token` (unique, >= 0) while `fd` is readable, until unwatch().
  virtual Result<void> watch(int fd, int token) = 0;
  virtual void unwatch(int token) noexcept = 0;

  /// Queues a train; it leaves at the latest in the next wait(). A refusal of the kernel comes
  /// back as SendFailed. False, and the train is dropped, when the queue is full.
  virtual bool transmit(Transmit&& train) noexcept = 0;
  /// Queues one write of the concatenation of `parts` (virtio header first). The parts must stay
  /// valid until the next wait() returns. False, and dropped, when the queue is full.
  virtual bool write_tun(std::span<const Bytes> parts) noexcept = 0;

  /// Submits what is queued and sleeps until the monotonic clock reaches `until`, whatever comes.
  virtual void rest(Time until) noexcept = 0;
  /// Submits what is queued and sleeps until something completes or the monotonic clock reaches
  /// `deadline` (kNever: no limit; a past time: returns at once).
  virtual void wait(Time deadline) noexcept = 0;
  /// What has completed, at most 64; the span and its bytes are valid until the next wait().
  virtual std::span<Completion> reap() noexcept = 0;
  /// True when the last reap() left nothing unread on any socket.
  virtual bool drained() const noexcept = 0;

  virtual const IoCounters& counters() const noexcept = 0;
};

/// Time of CLOCK_MONOTONIC: the only place where the program reads the clock for the core.
Time monotonic_now() noexcept;
/// Sleeps until the monotonic clock reaches `when`.
void sleep_until(Time when) noexcept;
/// Time of CLOCK_REALTIME, for the handshake's freshness stamp.
WallTime wall_now() noexcept;

/// Which back end to use; Auto tries io_uring by doing and falls back to epoll.
enum class IoChoice : std::uint8_t { Auto, Uring, Epoll };

/// A working back end, or an error that names what each one said. `why_not_uring` tells why
/// io_uring was passed over (empty when it is used), for the start line and `wanbond version`.
Result<std::unique_ptr<Io>> make_io(IoChoice choice, PacketPool& pool, std::string& why_not_uring);

}  // namespace wanbond
