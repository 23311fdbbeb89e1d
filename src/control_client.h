// The asking side of the control socket: finds the instance, sends one line, passes the answer on.
#pragma once

#include <string>

#include "base/result.h"
#include "cmd_line.h"

namespace wanbond {

/// Asks the instance that the command line means (with neither NAME nor FILE: the only one that
/// has a socket in /run/wanbond), and copies its answer to standard output until it ends. Returns
/// the exit status; faults are printed.
int ask_instance(const CommandLine& line, const std::string& request);

/// One answer of it, whole. The error has been worded for the user; `status` is the exit status
/// that goes with it.
Result<std::string> fetch_from_instance(const CommandLine& line, const std::string& request,
                                        int& status);

/// Gives the instance an order; a refusal is complained of. Exit status.
int tell_instance(const CommandLine& line, const std::string& order);

}  // namespace wanbond
