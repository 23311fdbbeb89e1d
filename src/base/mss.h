// Keeps TCP's segments within what a tunnel carries: lowers the maximum segment size that a SYN
// offers (RFC 9293 3.7.1). Both directions of a connection pass here, so both ends learn it.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/inner.h"

namespace wanbond {

/// State of the TCP checksum of a packet that is to be changed.
enum class TcpSum : std::uint8_t {
  Full,     // is kept right
  Partial,  // holds only the pseudo header's sum, which does not change
};

/// Lowers the MSS option of the SYN `packet`, whose view is `inner`, so that packets of the other
/// end have at most `packet_bytes_max` (headers without options, as RFC 9293 counts). Never raises
/// it, adds none and touches no other byte but the checksum's. Anything else than a whole SYN with
/// well-formed options stays as it is. True if it was lowered.
bool clamp_mss(MutableBytes packet, const InnerPacket& inner, std::size_t packet_bytes_max,
               TcpSum sum) noexcept;

}  // namespace wanbond
