// The sockets of an I/O back end: a small fixed table, found by SocketId, with a generation per
// place so that a completion that comes after remove_socket() is known to be stale.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/ids.h"
#include "base/result.h"
#include "io/io.h"
#include "io/message.h"
#include "io/train_refusals.h"

namespace wanbond {

/// One UDP socket. `fd` is -1 in a free place.
struct SocketPlace {
  SocketId id;
  int fd = -1;
  sa_family_t family = AF_UNSPEC;
  bool receiving = false;        // ring: a receive is armed; poll: there may be something to read
  bool refused = false;          // ring: the kernel does not receive on it
  std::uint32_t generation = 0;  // changes whenever the place is given away
  TrainRefusals refusals;        // remotes to which it sends singly
};

/// At most kCount sockets, in the order of their places.
class SocketTable {
 public:
  static constexpr std::size_t kCount = 64;  // WANs of one box, with room for changes

  /// Takes in a socket of AF_INET or AF_INET6; an error when the id is known or no place is left.
  Result<SocketPlace*> add(SocketId id, int fd);
  /// Frees the place.
  void remove(SocketPlace& place) noexcept;
  /// nullptr when there is none.
  SocketPlace* find(SocketId id) noexcept;

  SocketPlace* begin() noexcept { return places_.data(); }
  SocketPlace* end() noexcept { return places_.data() + used_; }
  SocketPlace& operator[](std::size_t index) noexcept { return places_[index]; }
  std::size_t index_of(const SocketPlace& place) const noexcept {
    return static_cast<std::size_t>(&place - places_.data());
  }

 private:
  std::array<SocketPlace, kCount> places_{};
  std::size_t used_ = 0;  // places that were ever taken
};

/// Whether `train` is to be sent as single datagrams on this socket.
bool goes_singly(const SocketPlace& socket, const Transmit& train) noexcept;

/// Sends one datagram or train now, without waiting; 0 or the errno of the refusal. Falls back to
/// single datagrams as recover_train() does.
int send_train(SocketPlace& socket, const Transmit& train, IoCounters& counters) noexcept;

/// A whole train came back with `error`. If the cutting may be at fault (EIO: no checksum offload
/// on the way; EINVAL: driver bugs, or too large for the device; EMSGSIZE), sends its datagrams one
/// by one; where that works, trains to this remote go singly for a while (TrainRefusals). A train
/// of more segments than every kernel takes says nothing of the path: it is sent in parts. Returns
/// 0 or the errno to report.
int recover_train(SocketPlace& socket, const Transmit& train, int error,
                  IoCounters& counters) noexcept;

/// The SendFailed completion of a train, or of a receive when there is no `remote`.
Completion send_failed(SocketId socket, const Endpoint& remote, int error) noexcept;

/// Size of the pieces that the kernel is to cut `train` into on this socket.
inline std::size_t offload_bytes(const Transmit& train) noexcept {
  return train.segments.segment_bytes == 0 ? train.segments.buffer.size()
                                           : train.segments.segment_bytes;
}

}  // namespace wanbond
