// WanSockets: the sockets of the WANs, opened and closed as devices come, go and change their
// names; tells the node what became of each WAN.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "driver.h"
#include "io/fd.h"
#include "plan.h"

namespace wanbond {

/// One socket per WAN that is present. All outlive the object.
class WanSockets {
 public:
  /// `tun` is never a WAN.
  WanSockets(std::vector<WanPlan>& wans, Driver& driver, std::string tun)
      : wans_(wans), driver_(driver), tun_(std::move(tun)) {
    places_.resize(wans.size());
  }

  /// Brings sockets in line with the machine: gives spare places to interfaces with a default
  /// route, finds each WAN's device, opens sockets of those that are there (or were replaced),
  /// closes the others, and tells the node what has changed. Returns the WANs that were opened or
  /// have other addresses or names than before: with the last address, the kernel takes the routes
  /// of a device away. `faults` gets one line per WAN that could not be opened.
  std::vector<std::size_t> follow(const Machine& machine, std::vector<std::string>& faults);

 private:
  struct Place {
    Fd fd;
    int device_index = 0;  // a device of the same name may be another one
    std::string device;
    std::vector<InterfaceAddress> addresses;
    std::vector<DefaultRoute> routes;
    WanState told;
    bool is_told = false;
  };

  void adopt(const Machine& machine, std::vector<std::string>& faults);
  void find_device(const Machine& machine, std::size_t wan);
  /// True when the socket was opened, or its device has other addresses or another name.
  bool follow_socket(const MachineInterface* interface, std::size_t wan,
                     std::vector<std::string>& faults);
  void tell(const Machine& machine, const MachineInterface* interface, std::size_t wan);
  void close(std::size_t wan);

  std::vector<WanPlan>& wans_;
  Driver& driver_;
  std::string tun_;
  std::vector<Place> places_;
};

}  // namespace wanbond
