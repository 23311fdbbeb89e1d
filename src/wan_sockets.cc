#include "wan_sockets.h"

#include <algorithm>

namespace wanbond {
namespace {

bool has_address(const MachineInterface& interface, const IpAddress& address) {
  return std::any_of(interface.addresses.begin(), interface.addresses.end(),
                     [&](const InterfaceAddress& own) { return own.address == address; });
}

}  // namespace

std::vector<std::size_t> WanSockets::follow(const Machine& machine,
                                            std::vector<std::string>& faults) {
  std::vector<std::size_t> changed;
  for (std::size_t i = 0; i < wans_.size(); ++i) {
    WanPlan& wan = wans_[i];
    if (wan.socket.device.empty() && wan.source)
      wan.socket.device = device_of(machine, *wan.source);
    const MachineInterface* interface = machine.find(wan.socket.device);
    wan.present = interface != nullptr && interface->link.up &&
                  (!wan.source || has_address(*interface, *wan.source));
    Socket& socket = sockets_[i];
    const bool current =
        wan.present && socket.fd.valid() && socket.device_index == interface->link.index;
    if (current) {
      if (socket.addresses == interface->addresses) continue;
      socket.addresses = interface->addresses;
      changed.push_back(i);
      continue;
    }
    close(i);
    if (!wan.present) continue;
    auto fd = open_wan_socket(wan.socket);
    const SocketId id{static_cast<std::uint16_t>(i)};
    const auto added = fd ? driver_.open_socket(id, fd->get()) : Result<void>(fd.error());
    if (!added) {
      faults.push_back("WAN " + wan.settings.name + ": " + added.error().message);
      continue;
    }
    socket = {std::move(*fd), interface->link.index, interface->addresses};
    changed.push_back(i);
  }
  return changed;
}

void WanSockets::close(std::size_t wan) {
  if (!sockets_[wan].fd.valid()) return;
  driver_.close_socket(SocketId{static_cast<std::uint16_t>(wan)});
  sockets_[wan] = Socket{};
}

}  // namespace wanbond
