// Poll: the I/O back end on epoll, for kernels and containers without io_uring. Sends and writes go
// out at once; a turn reads from all sockets in rounds, so that none starves another.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/fixed.h"
#include "io/fd.h"
#include "io/io.h"
#include "io/socket_table.h"
#include "io/tun_file.h"

namespace wanbond {

/// An Io over epoll(7).
class Poll final : public Io {
 public:
  static Result<std::unique_ptr<Io>> make(PacketPool& pool);

  const char* name() const noexcept override { return "epoll"; }
  Result<void> add_tun(int fd) override;
  Result<void> add_socket(SocketId id, int fd) override;
  void remove_socket(SocketId id) noexcept override;
  Result<void> watch(int fd, int token) override;
  void unwatch(int token) noexcept override;
  bool transmit(Transmit&& train) noexcept override;
  bool write_tun(std::span<const Bytes> parts) noexcept override;
  void rest(Time until) noexcept override { sleep_until(until); }
  void wait(Time deadline) noexcept override;
  std::span<Completion> reap() noexcept override;
  bool drained() const noexcept override { return drained_; }
  const IoCounters& counters() const noexcept override { return counters_; }

 private:
  static constexpr std::size_t kBatch = 64;        // completions of one reap()
  static constexpr std::size_t kBuffers = 64;      // receives of one reap(): 4 MiB
  static constexpr std::size_t kTunReadsMax = 64;  // TUN packets of one reap()
  static constexpr std::size_t kWatches = 64;
  enum class Source : std::uint8_t { Tun, Socket, Watch };
  struct Watch {
    int fd = -1;
    int token = 0;
    bool readable = false;
  };

  Poll(PacketPool& pool, Fd epoll);
  Result<void> add_source(int fd, Source source, std::size_t index);
  void remove_source(int fd) noexcept;
  /// Asks epoll what is readable now and notes it in tun_readable_, the sockets and the watches.
  void refresh() noexcept;
  void mark_readable(std::uint64_t data) noexcept;
  void reap_failures() noexcept;
  void reap_watches() noexcept;
  /// One receive, or one read; false when there was nothing.
  bool reap_socket(SocketPlace& socket) noexcept;
  bool reap_tun() noexcept;
  bool has_room() const noexcept { return !batch_.full() && receives_ < kBuffers; }

  Fd epoll_;
  TunReader reader_;
  int tun_ = -1;
  bool tun_readable_ = false;
  bool tun_starved_ = false;  // the pool was empty: the TUN is out of the epoll set until it is not
  SocketTable sockets_;
  std::array<Watch, kWatches> watches_{};
  std::unique_ptr<std::byte[]> memory_;  // kBuffers of kReceiveBytesMax
  FixedVector<Completion, kBatch> batch_;
  FixedVector<Completion, kBatch> failures_;  // what transmit() could not send, until reap()
  std::array<epoll_event, kBatch> events_{};
  std::size_t receives_ = 0;  // buffers in use in this batch
  bool drained_ = true;
  IoCounters counters_;
};

}  // namespace wanbond
