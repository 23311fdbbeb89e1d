#include "io/io.h"

#include <time.h>

#include <utility>

#include "io/poll.h"
#include "io/ring.h"

namespace wanbond {
namespace {

std::int64_t read_clock(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);  // cannot fail for these clocks
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

Time monotonic_now() noexcept { return Time(Duration(read_clock(CLOCK_MONOTONIC))); }

void sleep_until(Time when) noexcept {
  const Duration since = when.time_since_epoch();
  const timespec end{.tv_sec = since / 1s, .tv_nsec = (since % 1s).count()};
  (void)::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr);  // a signal may end it
}

WallTime wall_now() noexcept { return {read_clock(CLOCK_REALTIME)}; }

Result<std::unique_ptr<Io>> make_io(IoChoice choice, PacketPool& pool, std::string& why_not_uring) {
  why_not_uring.clear();
  if (choice == IoChoice::Epoll) {
    why_not_uring = "epoll was asked for";
    return Poll::make(pool);
  }
  Result<std::unique_ptr<Io>> ring = Ring::make(pool);
  if (ring) return ring;
  why_not_uring = ring.error().message;
  if (choice == IoChoice::Uring) return Error{"cannot use io_uring: " + why_not_uring};
  Result<std::unique_ptr<Io>> poll = Poll::make(pool);
  if (poll) return poll;
  return Error{"neither io_uring nor epoll works here: " + why_not_uring + "; " +
               poll.error().message};
}

}  // namespace wanbond
