#include "core/outbox.h"

namespace wanbond {

bool Outbox::write_tun(std::span<const Bytes> parts) noexcept {
  if (tun_writes_.full() || parts_.size() + parts.size() > kPartsMax) return false;
  const TunWrite write{static_cast<std::uint16_t>(parts_.size()),
                       static_cast<std::uint16_t>(parts.size())};
  for (const Bytes& part : parts) (void)parts_.push(part);  // fits: checked above
  return tun_writes_.push(write);
}

void Outbox::clear() noexcept {
  trains_.clear();
  tun_writes_.clear();
  parts_.clear();
  events_.clear();
}

}  // namespace wanbond
