// Network namespaces of the lab: made, entered for a moment, and gone with their object. What is
// inside never touches the host's network. Source: network_namespaces(7), ip-netns(8).
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "io/fd.h"

namespace wanbond {

/// A network namespace held by a descriptor. An anonymous one ends with the last process and
/// descriptor in it; a named one that this object made is taken off /run/netns with it.
class Netns {
 public:
  /// A new one without a name, with loopback up. Needs CAP_SYS_ADMIN.
  static Result<Netns> make();
  /// A new one that `ip netns` also knows (/run/netns/NAME); an error if the name is taken.
  static Result<Netns> make_named(const std::string& name);
  /// One that somebody else made and will delete.
  static Result<Netns> open_named(const std::string& name);
  /// The one this thread is in.
  static Result<Netns> current();

  Netns(Netns&& other) noexcept
      : fd_(std::move(other.fd_)), made_(std::exchange(other.made_, {})) {}
  Netns& operator=(Netns&&) = delete;
  ~Netns();

  int fd() const noexcept { return fd_.get(); }

 private:
  explicit Netns(Fd fd, std::string made = {}) noexcept
      : fd_(std::move(fd)), made_(std::move(made)) {}

  Fd fd_;
  std::string made_;  // file to unmount and remove; empty: not ours, or anonymous
};

/// This thread is inside another namespace as long as the visit lasts: sockets and TUN devices
/// opened meanwhile belong there for good.
class NetnsVisit {
 public:
  static Result<NetnsVisit> enter(const Netns& there);

  NetnsVisit(NetnsVisit&&) noexcept = default;
  NetnsVisit& operator=(NetnsVisit&&) = delete;
  /// Goes home; aborts if the kernel refuses, because the rest would run in the wrong network.
  ~NetnsVisit();

 private:
  friend class Netns;
  explicit NetnsVisit(Fd home) noexcept : home_(std::move(home)) {}

  Fd home_;
};

}  // namespace wanbond
