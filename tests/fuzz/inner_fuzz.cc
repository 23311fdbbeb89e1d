// Fuzz target: the view of an inner packet. Whatever it says lies within the bytes given.
#include "base/check.h"
#include "base/inner.h"

using namespace wanbond;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const auto inner = parse_inner(bytes);
  if (!inner) return 0;
  check(inner->total_bytes <= size && inner->header_bytes() <= inner->total_bytes);
  check(inner->has_l4() || (!inner->is_tcp() && !inner->is_udp()));
  const auto flow = icmp_error_flow(bytes, *inner);
  check(!flow || (flow->total_bytes == inner->total_bytes && !flow->has_l4() &&
                  flow->destination == inner->destination));
  const Bytes addresses = inner_addresses(bytes, *inner);
  check(addresses.size() == (inner->version == 4 ? 8 : 32));
  check(addresses.data() >= bytes.data() && addresses.data() + addresses.size() <= &*bytes.end());
  return 0;
}
