// The processes at the ends of the demo's streams: each function is one process's whole work and
// returns its exit status. Sockets are made before, in the right namespace.
#pragma once

#include <string>

#include "base/address.h"
#include "base/time.h"

namespace wanbond {

/// What an end needs. Samples (demo_stream.h) go to `pipe`.
struct DemoEndTask {
  int socket = -1;  // of the sender not yet connected; of the TCP receiver listening
  int pipe = -1;
  Time begin{}, end{};
  std::string file;  // TCP: what is sent or received goes here too
  Endpoint peer;     // senders
};

int send_file(const DemoEndTask& task);
int receive_file(const DemoEndTask& task);
int send_packets(const DemoEndTask& task);
int receive_packets(const DemoEndTask& task);

}  // namespace wanbond
