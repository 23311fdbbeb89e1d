#include "driver.h"

#include <algorithm>
#include <cerrno>

namespace wanbond {
namespace {

constexpr std::size_t kEventsPerTurn = 4096;
/// Answers of the node to refused sends may be refused as well; the next turn goes on.
constexpr int kFailureRounds = 4;

TurnLoad load_of(std::span<const Completion> batch) noexcept {
  TurnLoad load;
  for (const Completion& completion : batch) {
    const bool is_tun = completion.kind == Completion::Kind::TunPacket;
    if (!is_tun && completion.kind != Completion::Kind::Datagrams) continue;
    ++load.count;
    load.bytes += is_tun ? completion.packet.size() : completion.bytes.size();
  }
  return load;
}

}  // namespace

Driver::Driver(Io& io, Node& node, Batching batching) noexcept
    : io_(io), node_(node), batching_(batching) {
  events_.reserve(kEventsPerTurn);
}

void Driver::turn(Time deadline) {
  events_.clear();
  readable_.clear();
  if (rest_.until() != Rest::kNone) io_.rest(rest_.until());
  io_.wait(std::min(node_.next_timeout(), deadline));
  const Time now = monotonic_now();
  const WallTime wall = wall_now();
  clock_.on_turn(now, wall);
  const std::span<Completion> batch = io_.reap();
  clock_.on_read(monotonic_now());
  if (batching_ == Batching::Whole) rest_.on_turn(now, load_of(batch));
  for (Completion& completion : batch) {
    handle(now, completion);
    if (batching_ == Batching::OnePacket) node_.on_batch_end(now, out_);
    flush();
  }
  node_.on_batch_end(now, out_);
  flush();
  if (io_.drained()) {
    clock_.on_drained();
    if (node_.next_timeout() <= now) {
      node_.on_timer(now, wall, out_);
      flush();
    }
  }
  report_failures(now);
}

void Driver::handle(Time now, Completion& completion) {
  switch (completion.kind) {
    case Completion::Kind::TunPacket:
      node_.on_tun(now, std::move(completion.packet), out_);
      break;
    case Completion::Kind::Datagrams:
      node_.on_datagrams(now,
                         {.socket = completion.socket,
                          .remote = completion.remote,
                          .local = completion.local,
                          .at = clock_.at(completion.arrived),
                          .tos = completion.tos,
                          .segment_bytes = completion.segment_bytes,
                          .bytes = completion.bytes},
                         out_);
      break;
    case Completion::Kind::SendFailed:
      node_.on_send_failed(now, completion.socket, completion.remote, completion.error, out_);
      break;
    case Completion::Kind::TunFailed:
      tun_error_ = completion.error;
      break;
    case Completion::Kind::Readable:
      readable_.push_back(completion.token);
      break;
  }
}

void Driver::flush() {
  for (Transmit& train : out_.trains()) send(std::move(train));
  for (const TunWrite& write : out_.tun_writes()) (void)io_.write_tun(out_.parts(write));
  for (const Event& event : out_.events()) {
    if (events_.size() < kEventsPerTurn) events_.push_back(event);
  }
  out_.clear();
}

void Driver::send(Transmit&& train) {
  Failure failure{train.socket, train.remote, 0};
  if (train.socket.value >= kSocketsMax || !open_[train.socket.value])
    failure.error = ENETDOWN;
  else if (!io_.transmit(std::move(train)))
    failure.error = ENOBUFS;
  if (failure.error != 0) (void)failures_.push(failure);  // full: the next one tells the same
}

void Driver::report_failures(Time now) {
  for (int round = 0; round < kFailureRounds && !failures_.empty(); ++round) {
    const auto failures = failures_;
    failures_.clear();
    for (const Failure& failure : failures) {
      node_.on_send_failed(now, failure.socket, failure.remote, failure.error, out_);
      flush();
    }
  }
}

void Driver::on_endpoint(PeerId peer, std::size_t index, const Endpoint& endpoint) {
  const Time now = monotonic_now();
  node_.on_endpoint(now, peer, index, endpoint, out_);
  flush();
}

void Driver::on_wan(SocketId wan, const WanState& state) {
  node_.on_wan(monotonic_now(), wan, state, out_);
  flush();
}

void Driver::order_wan(SocketId wan, PathOrder order) {
  node_.order_wan(monotonic_now(), wan, order, out_);
  flush();
}

std::size_t Driver::order_path(const std::string& name, PathOrder order) {
  const std::size_t count = node_.order_path(monotonic_now(), name, order, out_);
  flush();
  return count;
}

Result<void> Driver::open_socket(SocketId id, int fd) {
  check(id.value < kSocketsMax);
  auto added = io_.add_socket(id, fd);
  if (added) open_[id.value] = true;
  return added;
}

void Driver::close_socket(SocketId id) noexcept {
  if (id.value >= kSocketsMax || !open_[id.value]) return;
  open_[id.value] = false;
  io_.remove_socket(id);
}

void Driver::close() {
  const Time now = monotonic_now();
  node_.close(now, out_);
  flush();
}

}  // namespace wanbond
