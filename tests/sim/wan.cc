#include "tests/sim/wan.h"

#include <utility>

#include "base/check.h"

namespace wanbond::sim {

Wan::Wan(const Place& place, WanPlan plan, Deliver to_host)
    : plan_(std::move(plan)),
      up_(place.world, plan_.up,
          [this, &internet = place.internet](Datagram&& datagram) {
            if (nat_)
              nat_->from_inside(std::move(datagram));
            else
              internet.send(std::move(datagram));
          }),
      down_(place.world, plan_.down, std::move(to_host)) {
  if (plan_.nat_address != IpAddress()) {
    nat_.emplace(
        place.world, Nat::Settings{plan_.nat_address, plan_.nat_memory},
        [&internet = place.internet](Datagram&& out) { internet.send(std::move(out)); },
        [this](Datagram&& in) { offer(down_, std::move(in)); });
  }
  place.internet.attach(public_address(), {place.host, [this](Datagram&& datagram) {
                                             if (nat_)
                                               nat_->from_outside(std::move(datagram));
                                             else
                                               offer(down_, std::move(datagram));
                                           }});
}

const IpAddress& Wan::public_address() const noexcept {
  return nat_ ? nat_->address() : plan_.local.address;
}

void Wan::offer(Link& link, Datagram&& datagram) {
  if (link.is_cut() && watch_) watch_(datagram, link.cut_at());
  link.send(std::move(datagram));
}

void Wan::cut() {
  up_.cut();
  down_.cut();
}

void Wan::restore() {
  up_.restore();
  down_.restore();
}

void Wan::rebind() {
  check(nat_.has_value());
  nat_->rebind();
}

}  // namespace wanbond::sim
