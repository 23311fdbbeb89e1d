#include "io/random.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace wanbond {

KernelRandom::~KernelRandom() { explicit_bzero(buffer_.data(), buffer_.size()); }

void KernelRandom::fill(MutableBytes out) noexcept {
  if (owner_ != ::getpid()) {
    left_ = 0;  // a fork: the parent gives these bytes out too
    owner_ = ::getpid();
  }
  while (!out.empty()) {
    if (left_ == 0) refill();
    const std::size_t count = std::min(left_, out.size());
    std::byte* from = buffer_.data() + (buffer_.size() - left_);
    std::copy_n(from, count, out.data());
    explicit_bzero(from, count);
    left_ -= count;
    out = out.subspan(count);
  }
}

void KernelRandom::refill() noexcept {
  std::size_t have = 0;
  while (have < buffer_.size()) {
    const ssize_t got = ::getrandom(buffer_.data() + have, buffer_.size() - have, 0);
    check(got > 0 || errno == EINTR);
    if (got > 0) have += static_cast<std::size_t>(got);
  }
  left_ = buffer_.size();
}

}  // namespace wanbond
