#include "tun/device.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

namespace wanbond {
namespace {

constexpr const char* kDevice = "/dev/net/tun";
constexpr std::uint32_t kMtuMin = 68;  // RFC 791: every IPv4 module forwards that much
constexpr std::uint32_t kMtuMax = 65535;
constexpr std::uint32_t kQueueMax = 100'000;

// In linux/if_tun.h since 6.2; both must be asked for together. (The other values of the virtio
// header cannot be compared with linux/virtio_net.h: it has a member called "class".)
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;
constexpr unsigned kTunOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

// An io_uring releases its descriptors some time after its owner is gone.
constexpr auto kBusyPause = std::chrono::milliseconds(20);
constexpr int kBusyTries = 50;

Error failed(const std::string& what, int error, const std::string& cure) {
  return Error{what + ": " + std::strerror(error) + (cure.empty() ? "" : "; " + cure)};
}

const char* cure_open(int error) {
  if (error == EACCES || error == EPERM) return "run as root or with CAP_NET_ADMIN";
  return "load the module with \"modprobe tun\", or give the container this device";
}

const char* cure_attach(int error) {
  if (error == EPERM || error == EACCES) return "run as root or with CAP_NET_ADMIN";
  if (error == EBUSY) return "another process has it open: stop that or choose another name";
  if (error == EINVAL || error == EEXIST)
    return "an interface of another kind may have this name: choose another";
  return "";
}

ifreq request_for(const std::string& name) {
  ifreq request{};
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

// 0, or the error of the last try. `request` gets the name.
int attach(int fd, ifreq& request) {
  for (int i = 0; i < kBusyTries; ++i) {
    request.ifr_flags = static_cast<short>(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    if (::ioctl(fd, TUNSETIFF, &request) == 0) return 0;
    if (errno != EBUSY) return errno;
    std::this_thread::sleep_for(kBusyPause);
  }
  return EBUSY;
}

// What the kernel accepts of `wanted`; none with errno set if not even TCP.
std::optional<UdpOffload> set_offloads(int fd, TunOffloads wanted) {
  if (wanted == TunOffloads::None) {
    if (::ioctl(fd, TUNSETOFFLOAD, 0) == 0) return UdpOffload::Off;
    return {};
  }
  if (::ioctl(fd, TUNSETOFFLOAD, kTunOffloads | kTunUso4 | kTunUso6) == 0) return UdpOffload::On;
  if (::ioctl(fd, TUNSETOFFLOAD, kTunOffloads) == 0) return UdpOffload::Off;
  return {};
}

Result<void> interface_call(unsigned long call, ifreq& request, const std::string& what) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.valid() && ::ioctl(socket.get(), call, &request) == 0) return {};
  const int error = errno;
  return failed(what, error, error == EPERM ? "run as root or with CAP_NET_ADMIN" : "");
}

}  // namespace

Result<TunDevice> TunDevice::open(const std::string& name, TunOffloads offloads) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return Error{"TUN device \"" + name + "\": a name has 1 to 15 characters; choose another"};
  Fd fd(::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fd.valid()) {
    const int error = errno;
    return failed(std::string("cannot open ") + kDevice, error, cure_open(error));
  }
  ifreq request = request_for(name);
  if (const int error = attach(fd.get(), request); error != 0)
    return failed("cannot make TUN device " + name, error, cure_attach(error));
  int header_bytes = static_cast<int>(kVirtioHeaderBytes);
  if (::ioctl(fd.get(), TUNSETVNETHDRSZ, &header_bytes) != 0)
    return failed("cannot set the virtio header size of TUN device " + name, errno, "");
  const auto udp = set_offloads(fd.get(), offloads);
  if (!udp) return failed("cannot set the offloads of TUN device " + name, errno, "");
  return TunDevice(std::move(fd), request.ifr_name, *udp);
}

Result<void> TunDevice::set_mtu(std::uint32_t mtu_bytes) {
  const std::string what = "cannot set MTU " + std::to_string(mtu_bytes) + " on " + name_;
  if (mtu_bytes < kMtuMin || mtu_bytes > kMtuMax)
    return Error{what + ": choose " + std::to_string(kMtuMin) + " to " + std::to_string(kMtuMax)};
  ifreq request = request_for(name_);
  request.ifr_mtu = static_cast<int>(mtu_bytes);
  return interface_call(SIOCSIFMTU, request, what);
}

Result<void> TunDevice::set_queue(std::uint32_t packets) {
  const std::string what =
      "cannot set a queue of " + std::to_string(packets) + " packets on " + name_;
  if (packets < 1 || packets > kQueueMax)
    return Error{what + ": choose 1 to " + std::to_string(kQueueMax)};
  ifreq request = request_for(name_);
  request.ifr_qlen = static_cast<int>(packets);
  return interface_call(SIOCSIFTXQLEN, request, what);
}

Result<void> TunDevice::bring_up() {
  ifreq request = request_for(name_);
  const std::string what = "cannot bring up " + name_;
  if (auto read = interface_call(SIOCGIFFLAGS, request, what); !read) return read;
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  return interface_call(SIOCSIFFLAGS, request, what);
}

}  // namespace wanbond
