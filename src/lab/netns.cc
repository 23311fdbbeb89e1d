#include "lab/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "io/netlink.h"

namespace wanbond {
namespace {

constexpr const char* kFolder = "/run/netns";
constexpr const char* kSelf = "/proc/thread-self/ns/net";

Error failed(const std::string& what) {
  const int error = errno;
  std::string message = what + ": " + std::strerror(error);
  if (error == EPERM) message += "; run it as root";
  return Error{message};
}

Result<Fd> open_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return failed("cannot open the network namespace " + path);
  return fd;
}

// As ip-netns(8) does it: the folder is a shared mount, so that names appear in every mount
// namespace.
Result<void> prepare_folder() {
  if (::mkdir(kFolder, 0755) != 0 && errno != EEXIST)
    return failed(std::string("cannot create ") + kFolder);
  if (::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (errno != EINVAL || ::mount(kFolder, kFolder, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) != 0)
    return failed(std::string("cannot share the mount ") + kFolder);
  return {};
}

Result<void> go_to(int fd) {
  if (::setns(fd, CLONE_NEWNET) != 0) return failed("cannot enter a network namespace");
  return {};
}

Result<void> bring_up_loopback() {
  auto netlink = Netlink::open();
  if (!netlink) return netlink.error();
  return netlink->set_up("lo");
}

}  // namespace

Result<Netns> Netns::make() {
  auto home = open_file(kSelf);
  if (!home) return home.error();
  if (::unshare(CLONE_NEWNET) != 0) return failed("cannot create a network namespace");
  const NetnsVisit visit(std::move(*home));
  auto made = open_file(kSelf);
  if (!made) return made.error();
  if (const auto up = bring_up_loopback(); !up) return up.error();
  return Netns(std::move(*made));
}

Result<Netns> Netns::make_named(const std::string& name) {
  if (const auto folder = prepare_folder(); !folder) return folder.error();
  auto made = make();
  if (!made) return made;
  const std::string file = std::string(kFolder) + "/" + name;
  const Fd place(::open(file.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!place.valid())
    return failed("cannot create the network namespace " + name + " (" + file + ")");
  const std::string source = "/proc/self/fd/" + std::to_string(made->fd());
  if (::mount(source.c_str(), file.c_str(), "none", MS_BIND, nullptr) != 0) {
    const Error error = failed("cannot mount a network namespace on " + file);
    ::unlink(file.c_str());
    return error;
  }
  made->made_ = file;
  return made;
}

Result<Netns> Netns::open_named(const std::string& name) {
  auto fd = open_file(std::string(kFolder) + "/" + name);
  if (!fd) return fd.error();
  return Netns(std::move(*fd));
}

Result<Netns> Netns::current() {
  auto fd = open_file(kSelf);
  if (!fd) return fd.error();
  return Netns(std::move(*fd));
}

Netns::~Netns() {
  if (made_.empty()) return;
  ::umount2(made_.c_str(), MNT_DETACH);
  ::unlink(made_.c_str());
}

Result<NetnsVisit> NetnsVisit::enter(const Netns& there) {
  auto home = open_file(kSelf);
  if (!home) return home.error();
  if (const auto gone = go_to(there.fd()); !gone) return gone.error();
  return NetnsVisit(std::move(*home));
}

NetnsVisit::~NetnsVisit() {
  if (home_.valid()) check(::setns(home_.get(), CLONE_NEWNET) == 0);
}

}  // namespace wanbond
