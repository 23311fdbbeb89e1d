// What a service needs of the kernel beside packets: signals as a descriptor, and systemd's
// notification protocol (sd_notify(3)) without its library.
#pragma once

#include <initializer_list>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "io/fd.h"

namespace wanbond {

/// Blocks the signals and gives a descriptor that becomes readable when one of them comes.
Result<Fd> open_signals(std::initializer_list<int> signals);
/// The next signal that came, or 0.
int take_signal(int fd) noexcept;

/// Sends "READY=1" and the like to $NOTIFY_SOCKET; nothing without it.
void notify_service(const std::string& message) noexcept;
/// Half of systemd's watchdog time, the pace of "WATCHDOG=1"; zero: none is wanted.
Duration watchdog_pace() noexcept;

}  // namespace wanbond
