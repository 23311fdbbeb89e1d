// NonceChecker: no nonce is used twice under one key, as far as the wire shows it: the packet
// numbers of one connection id only rise, until a handshake gives that id to a new key.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <tuple>

#include "base/bytes.h"

namespace wanbond::sim {

/// Looks at every datagram that hosts send, in the order of sending.
class NonceChecker {
 public:
  /// False when the datagram repeats a nonce. `from` and `to` are hosts: connection ids are the
  /// receiver's own, and packet numbers the sender's.
  bool on_datagram(unsigned from, unsigned to, Bytes datagram);

 private:
  struct Base {
    unsigned host;  // who chose it
    std::uint32_t base;
    auto operator<=>(const Base&) const = default;
  };
  void on_handshake(const Base& base, Bytes ephemeral);

  static constexpr std::size_t kPaths = 64;
  using NextNumbers = std::array<std::uint64_t, kPaths>;  // by path
  std::map<Base, std::uint64_t> ephemerals_;              // hash of the handshake that named it
  std::map<std::tuple<Base, unsigned>, NextNumbers> next_;
};

}  // namespace wanbond::sim
