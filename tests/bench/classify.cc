// Stations 2 and 3 of the way out: reading the headers of what the TUN device gave, finding its
// peer, and its flow with the rule that was found for it.
#include <memory>

#include "base/inner.h"
#include "cases.h"
#include "core/flow_names.h"
#include "core/routes.h"
#include "samples.h"
#include "sched/flow.h"
#include "tests/sim/seeded_random.h"

namespace wanbond {
namespace {

RouteTable routes() {
  std::vector<PeerSettings> peers(100);
  for (std::uint32_t i = 0; i < peers.size(); ++i)
    peers[i].allowed_ips = {Prefix(IpAddress::v4(0x0a000000 + (i << 8)), 24)};
  RouteTable table(peers);
  for (std::uint16_t i = 0; i < peers.size(); ++i) table.set_up(PeerId{i}, true);
  return table;
}

/// What a session asks of a packet before it is placed.
struct Classifier {
  explicit Classifier(Random& random) : names(random), digest(random) {}
  void classify(const Sample& sample) {
    const auto super = SuperPacket::parse(sample);
    const auto other = names.find(now, super->packet(), super->inner());
    const InnerPacket& named = other ? other->view : super->inner();
    const Flow* flow = flows.use(now, digest(named), FlowKind::Tcp);
    keep(flow->placement().rule);
  }
  FlowNames names;
  FlowDigest digest;
  FlowTable flows;
  Time now{1s};
};

}  // namespace

void add_classify(Measure& measure) {
  const auto add = [&](const std::string& name, const Sample& sample, const std::string& baseline) {
    measure.add({name, [sample] { keep(SuperPacket::parse(sample)); }, 1,
                 sample.size() - kVirtioHeaderBytes, baseline});
  };
  add("classify udp 200", udp_packets(1, 200).front(), "");
  add("classify tcp 64 KB", tcp_super_packet(), "classify udp 200");
  const auto add_flow = [&](const std::string& name, const Sample& sample, std::uint64_t packets) {
    sim::SeededRandom random(1);
    measure.add({name,
                 [sample, classifier = std::make_shared<Classifier>(random)] {
                   classifier->classify(sample);
                 },
                 packets, (sample.size() - kVirtioHeaderBytes) / packets, ""});
  };
  add_flow("find flow of udp 200", udp_packets(1, 200).front(), 1);
  add_flow("find flow of tcp 64 KB, per segment", tcp_super_packet(), kTcpSegmentCount);
  const auto parsed = parse_inner(Bytes(udp_packets(1, 200).front()).subspan(kVirtioHeaderBytes));
  measure.add({"route among 100 peers",
               [table = routes(), to = parsed->destination] {
                 RouteTable::Memo memo;
                 keep(table.find(to, memo));
               },
               1, 200, "classify udp 200"});
}

}  // namespace wanbond
