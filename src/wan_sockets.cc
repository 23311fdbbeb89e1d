#include "wan_sockets.h"

#include <algorithm>
#include <utility>

namespace wanbond {
namespace {

constexpr std::size_t kAddressesMax = 16;  // of one WAN that the node is told of
constexpr std::uint32_t kMtuMax = 65535;

bool has_address(const MachineInterface& interface, const IpAddress& address) {
  return std::any_of(interface.addresses.begin(), interface.addresses.end(),
                     [&](const InterfaceAddress& own) { return own.address == address; });
}

SocketId id_of(std::size_t wan) { return SocketId{static_cast<std::uint16_t>(wan)}; }

}  // namespace

std::vector<std::size_t> WanSockets::follow(const Machine& machine,
                                            std::vector<std::string>& faults) {
  std::vector<std::size_t> changed;
  adopt(machine, faults);
  for (std::size_t i = 0; i < wans_.size(); ++i) {
    if (wans_[i].settings.name.empty()) continue;
    find_device(machine, i);
    const MachineInterface* interface = machine.find(wans_[i].socket.device);
    if (follow_socket(interface, i, faults)) changed.push_back(i);
    tell(machine, interface, i);
  }
  return changed;
}

void WanSockets::adopt(const Machine& machine, std::vector<std::string>& faults) {
  if (wans_.empty() || !wans_.front().automatic) return;
  for (const DefaultRoute& route : machine.default_routes) {
    const auto has = [&](const WanPlan& wan) { return wan.settings.name == route.device; };
    if (route.device == tun_ || std::any_of(wans_.begin(), wans_.end(), has)) continue;
    const auto spare = std::find_if(wans_.begin(), wans_.end(),
                                    [](const WanPlan& wan) { return wan.settings.name.empty(); });
    if (spare == wans_.end()) {
      faults.push_back("device " + route.device +
                       " is not used: there are 16 WANs; name those that matter in [Wan] sections");
      return;
    }
    spare->settings.name = spare->socket.device = route.device;
  }
}

void WanSockets::find_device(const Machine& machine, std::size_t wan) {
  std::vector<std::string> taken{tun_};
  for (std::size_t i = 0; i < wans_.size(); ++i)
    if (i != wan) taken.push_back(wans_[i].socket.device);
  const std::string device = device_of(machine, wans_[wan], taken);
  if (!device.empty()) wans_[wan].socket.device = device;  // else as before: it may come back
}

bool WanSockets::follow_socket(const MachineInterface* interface, std::size_t wan,
                               std::vector<std::string>& faults) {
  WanPlan& plan = wans_[wan];
  Place& place = places_[wan];
  plan.present = interface != nullptr && interface->link.up &&
                 (!plan.source || has_address(*interface, *plan.source));
  if (plan.present && place.fd.valid() && place.device_index == interface->link.index) {
    const bool is_same =
        place.addresses == interface->addresses && place.device == plan.socket.device;
    place.addresses = interface->addresses;
    place.device = plan.socket.device;
    return !is_same;
  }
  close(wan);
  if (!plan.present) return false;
  auto fd = open_wan_socket(plan.socket);
  const auto added = fd ? driver_.open_socket(id_of(wan), fd->get()) : Result<void>(fd.error());
  if (!added) {
    faults.push_back("WAN " + plan.settings.name + ": " + added.error().message);
    return false;
  }
  place.fd = std::move(*fd);
  place.device_index = interface->link.index;
  place.device = plan.socket.device;
  place.addresses = interface->addresses;
  return true;
}

/// The node hears of a change of state, and of routes, which may let it send again.
void WanSockets::tell(const Machine& machine, const MachineInterface* interface, std::size_t wan) {
  const WanPlan& plan = wans_[wan];
  Place& place = places_[wan];
  const bool is_wan = !plan.automatic || has_default_route(machine, plan.socket.device);
  WanState state{.name = plan.settings.name, .mtu_bytes = plan.settings.mtu_bytes};
  state.usable = place.fd.valid() && interface->link.running && is_wan;
  if (interface != nullptr) {
    state.mtu_bytes = static_cast<std::uint16_t>(std::min(interface->link.mtu, kMtuMax));
    for (const InterfaceAddress& own : interface->addresses)
      if ((!plan.source || own.address == *plan.source) && state.addresses.size() < kAddressesMax)
        state.addresses.push_back(own.address);
  }
  std::vector<DefaultRoute> routes;
  std::copy_if(machine.default_routes.begin(), machine.default_routes.end(),
               std::back_inserter(routes),
               [&](const DefaultRoute& route) { return route.device == plan.socket.device; });
  if (place.is_told && state == place.told && routes == place.routes) return;
  place.is_told = true;
  place.told = state;
  place.routes = std::move(routes);
  driver_.on_wan(id_of(wan), state);
}

void WanSockets::close(std::size_t wan) {
  if (!places_[wan].fd.valid()) return;
  driver_.close_socket(id_of(wan));
  places_[wan].fd = Fd();
}

}  // namespace wanbond
