// WanSockets: the sockets of the WANs, opened and closed as devices come and go.
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
  WanSockets(std::vector<WanPlan>& wans, Driver& driver) : wans_(wans), driver_(driver) {
    sockets_.resize(wans.size());
  }

  /// Brings sockets in line with the machine: opens those of devices that are there (or were
  /// replaced), closes the others. Returns the WANs that were opened or have other addresses than
  /// before: with the last address, the kernel takes the routes of a device away. `faults` gets
  /// one line per WAN that could not be opened.
  std::vector<std::size_t> follow(const Machine& machine, std::vector<std::string>& faults);

 private:
  struct Socket {
    Fd fd;
    int device_index = 0;  // a device of the same name may be another one
    std::vector<InterfaceAddress> addresses;
  };

  void close(std::size_t wan);

  std::vector<WanPlan>& wans_;
  Driver& driver_;
  std::vector<Socket> sockets_;
};

}  // namespace wanbond
