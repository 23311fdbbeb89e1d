// What the MPTCP options of an inner TCP header say (RFC 8684 3), as far as a node in the middle
// uses it: which connection a subflow belongs to, and whether it is a backup. Station 3.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/bytes.h"
#include "base/inner.h"

namespace wanbond {

/// Subtypes of TCP option 30, as on the wire.
enum class MptcpSubtype : std::uint8_t {
  Capable = 0,
  Join = 1,
  Dss = 2,
  AddAddress = 3,
  RemoveAddress = 4,
  Priority = 5,
  Fail = 6,
  FastClose = 7,
  Reset = 8,
};

/// A key of one end, as it stands in the option.
using MptcpKey = std::array<std::byte, 8>;
/// MP_JOIN's HMAC: 8 bytes in a SYN/ACK, 20 in an ACK.
using MptcpHmac = std::array<std::byte, 20>;

/// MP_CAPABLE. A version 1 SYN has no key, its answer the answerer's, the third packet both.
struct MptcpCapable {
  std::uint8_t version = 0;
  std::optional<MptcpKey> sender;
  std::optional<MptcpKey> receiver;
};

/// MP_JOIN. A SYN has token and nonce, a SYN/ACK hmac and nonce, the third packet the hmac.
struct MptcpJoin {
  std::uint32_t token = 0;  // of the end that the SYN goes to
  std::uint32_t nonce = 0;
  MptcpHmac hmac{};
  std::uint8_t address_id = 0;
  bool is_backup = false;
};

/// ADD_ADDR without the echo flag: the sender can be reached there, too. Port 0: the same one.
struct MptcpAddress {
  std::uint8_t id = 0;
  Endpoint endpoint;
};

/// The options of one header. Malformed ones are left out, others count.
struct MptcpOptions {
  std::uint16_t subtypes = 0;  // a bit each
  std::optional<MptcpCapable> capable;
  std::optional<MptcpJoin> join;
  std::optional<MptcpAddress> address;
  std::optional<bool> is_backup;  // MP_PRIO, of this subflow
  bool is_infinite = false;       // a DSS mapping of length 0: plain TCP from here on (3.7)

  bool any() const noexcept { return subtypes != 0; }
  bool has(MptcpSubtype subtype) const noexcept {
    return (subtypes >> static_cast<unsigned>(subtype) & 1) != 0;
  }
};

/// Reads the options of the TCP packet whose view is `inner`; nothing for anything else.
MptcpOptions parse_mptcp(Bytes packet, const InnerPacket& inner) noexcept;
/// Whether there is an option 30 at all: what a data packet is asked.
bool has_mptcp(Bytes packet, const InnerPacket& inner) noexcept;

}  // namespace wanbond
