// What MPTCP derives from the keys of its two ends (RFC 8684 3.1, 3.2): the token that names a
// connection in MP_JOIN, and the HMACs that prove a join. Version 1 only, which uses SHA-256. These
// keys pass a node in the clear: they group flows, they secure nothing of ours.
#pragma once

#include <cstdint>

#include "base/mptcp.h"

namespace wanbond {

/// The token of the end that has this key: the first 32 bits of its SHA-256.
std::uint32_t mptcp_token(const MptcpKey& key) noexcept;

/// One end's key and the nonce of its MP_JOIN.
struct MptcpJoinEnd {
  MptcpKey key{};
  std::uint32_t nonce = 0;
};

/// The HMAC that `sender` proves a join with: 20 bytes of it in an ACK, the first 8 in a SYN/ACK.
MptcpHmac mptcp_join_hmac(const MptcpJoinEnd& sender, const MptcpJoinEnd& receiver) noexcept;

}  // namespace wanbond
