// The traffic class of a tunnel's outer and inner headers: ECN by RFC 6040 (normal mode), DSCP by
// RFC 2983. What the outer header of a packet says on the way out, and what remains of it on the
// way in. Pure tables.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/inner.h"

namespace wanbond {

/// The ECN field: the low two bits of the traffic class (RFC 3168 5).
enum class Ecn : std::uint8_t { NotEct = 0, Ect1 = 1, Ect0 = 2, Ce = 3 };

/// Who decides the DSCP of the outer header, and who that of the inner one at the end (RFC 2983).
enum class DscpModel : std::uint8_t {
  Pipe,     // the outer one is 0, the inner one stays what it was
  Uniform,  // the outer one is the inner one's, and comes back into it
};

/// What the entry of a tunnel does with ECN (RFC 6040 4.1).
enum class EcnMode : std::uint8_t {
  Compatibility,  // outer Not-ECT: the far end is not known to combine the two
  Normal,         // outer as inner
};

inline constexpr std::uint8_t kEcnMask = 3;

/// Traffic class of the outer header for an inner one.
constexpr std::uint8_t outer_class(std::uint8_t inner, EcnMode ecn,
                                   DscpModel model = DscpModel::Pipe) noexcept {
  const int kept = (ecn == EcnMode::Normal ? kEcnMask : 0) |
                   (model == DscpModel::Uniform ? 0xff & ~kEcnMask : 0);
  return static_cast<std::uint8_t>(inner & kept);
}

/// ECN of the packet that leaves the tunnel (RFC 6040 4.2, figure 4); none: it is to be dropped,
/// since its sender would not understand the mark.
constexpr std::optional<Ecn> decapsulated_ecn(Ecn inner, Ecn outer) noexcept {
  switch (outer) {
    case Ecn::NotEct:
    case Ecn::Ect0:
      return inner;
    case Ecn::Ect1:
      return inner == Ecn::Ect0 ? Ecn::Ect1 : inner;
    case Ecn::Ce:
      break;
  }
  if (inner == Ecn::NotEct) return std::nullopt;
  return Ecn::Ce;
}

/// The whole traffic class of that packet; none as above.
constexpr std::optional<std::uint8_t> decapsulated_class(
    std::uint8_t inner, std::uint8_t outer, DscpModel model = DscpModel::Pipe) noexcept {
  const auto ecn = decapsulated_ecn(Ecn{static_cast<std::uint8_t>(inner & kEcnMask)},
                                    Ecn{static_cast<std::uint8_t>(outer & kEcnMask)});
  if (!ecn) return std::nullopt;
  const int dscp = (model == DscpModel::Uniform ? outer : inner) & ~kEcnMask;
  return static_cast<std::uint8_t>(dscp | static_cast<int>(*ecn));
}

/// Writes `traffic_class` into the IP header of `packet`, whose view is `inner`, and keeps its
/// header checksum right (RFC 1624). The view learns it, too.
void set_traffic_class(MutableBytes packet, InnerPacket& inner,
                       std::uint8_t traffic_class) noexcept;

}  // namespace wanbond
