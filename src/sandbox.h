// What a running node gives up: its user, all capabilities but CAP_NET_ADMIN, core dumps, and the
// system calls that a tunnel never needs.
#pragma once

#include <string>

#include "base/result.h"

namespace wanbond {

/// Becomes `user` (and its group) and keeps CAP_NET_ADMIN, which interfaces and routes that come
/// and go need, as ambient capability. Without being root: only checks that CAP_NET_ADMIN is there.
/// `user` empty: "wanbond" if that user exists, else stays. An error names the user and the cure.
Result<void> drop_privileges(const std::string& user);

/// Hands the file or folder to the user that drop_privileges() will choose; harmless without root.
void give_to_user(const std::string& path, const std::string& user);

/// No core dumps and no ptrace by others of the same user: keys are in memory.
void forbid_dumps() noexcept;
/// Asks for the share of the processor that heartbeats need (nice -10): a node kept waiting for
/// longer than the detection time is down for its peers. Best effort; to be called with the rights
/// of the start.
void raise_priority() noexcept;

/// No new privileges, and a seccomp filter that refuses with EPERM what would help an intruder:
/// new programs and processes, tracing, mounts, modules, namespaces, keyrings, the clock. Both I/O
/// back ends work under it. After it no process can be forked.
Result<void> restrict_system_calls();

}  // namespace wanbond
