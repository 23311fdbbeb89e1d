// The picture of a session at one moment, for `show` and the metrics.
#include <tuple>

#include "core/session.h"

namespace wanbond {

PeerStatus Session::status(Time now) const {
  PeerStatus status{.name = configured_.name,
                    .public_key = configured_.public_key,
                    .up = is_up_,
                    .has_keys = has_keys_,
                    .tx_packets = tx_packets_,
                    .tx_bytes = tx_bytes_,
                    .rx_packets = rx_packets_,
                    .rx_bytes = rx_bytes_,
                    .spare_copies = policy_.spare_copies(),
                    .rx_probes = rx_probes_,
                    .resequencer = resequencer_.counters(),
                    .held_packets = resequencer_.held_count(),
                    .retained_packets = retained_.count(),
                    .given_up = retained_.given_up(),
                    .flows = flows_.count(now),
                    .rules = {policy_.counters().begin(), policy_.counters().end()}};
  if (const Epoch* epoch = keyring_.current()) {
    status.cipher = epoch->send.key().cipher();
    status.handshake_age = now - epoch->created;
  }
  const UseContext context = use_context(now);
  for (const auto& path : control_.paths())
    if (!path->is_closed()) status.paths.push_back(path_status(*path, context));
  return status;
}

UseContext Session::use_context(Time now) const noexcept {
  UseContext context{.now = now, .best = {.rank = ~0U}};
  for (const auto& path : control_.paths()) {
    const PathView view = path->view(now, FlowCare::Repaired);
    const PathView& best = context.best;
    if (std::tuple(-static_cast<int>(view.usability), view.rank) <
        std::tuple(-static_cast<int>(best.usability), best.rank))
      context.best = view;
  }
  return context;
}

PathUse Session::use_of(const Path& path, UseContext context) const noexcept {
  context.selected = control_.is_selected(path);
  context.metered = shared_.settings.wans[path.address().socket.value].metered;
  context.bond = dispatcher_.status(path);
  return path_use(path, context);
}

PathStatus Session::path_status(const Path& path, const UseContext& context) const {
  const PathAddress& address = path.address();
  const Path::Counters& counters = path.counters();
  PathStatus status{
      .name = control_.path_name(path),
      .id = path.id(),
      .wan = address.socket,
      .local = address.local,
      .remote = address.remote,
      .state = path.state(),
      .bfd_state = path.bfd().state(),
      .selected = control_.is_selected(path),
      .learned = path.origin() == PathOrigin::Learned,
      .order = path.order(),
      .rtt = path.rtt().srtt(),
      .rtt_min = path.rtt().floor(),
      .jitter = path.received().jitter(),
      .delay_relative = control_.relative_delay(path),
      .loss_ppm = path.sent().loss_ppm(),
      .rate = path.sent().rate(),
      .mtu_bytes = static_cast<std::uint16_t>(path.payload_bytes_max() + path.mtu().header_bytes()),
      .tx_packets = counters.tx_packets,
      .tx_bytes = counters.tx_bytes,
      .rx_packets = counters.rx_packets,
      .rx_bytes = counters.rx_bytes,
      .resent_packets = counters.resent_packets,
      .downs = counters.downs,
      .last_down_cause = counters.last_down_cause};
  status.bond = dispatcher_.status(path);
  status.use = use_of(path, context);
  if (status.bfd_state == BfdState::Up) status.detection_time = path.bfd().detection_time();
  return status;
}

}  // namespace wanbond
