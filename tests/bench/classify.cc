// Station 2 of the way out: reading the headers of what the TUN device gave, and finding its peer.
#include "base/inner.h"
#include "cases.h"
#include "core/routes.h"
#include "samples.h"

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

}  // namespace

void add_classify(Measure& measure) {
  const auto add = [&](const std::string& name, const Sample& sample, const std::string& baseline) {
    measure.add({name, [sample] { keep(SuperPacket::parse(sample)); }, 1,
                 sample.size() - kVirtioHeaderBytes, baseline});
  };
  add("classify udp 200", udp_packets(1, 200).front(), "");
  add("classify tcp 64 KB", tcp_super_packet(), "classify udp 200");
  const auto parsed = parse_inner(Bytes(udp_packets(1, 200).front()).subspan(kVirtioHeaderBytes));
  measure.add({"route among 100 peers",
               [table = routes(), to = parsed->destination] {
                 RouteTable::Memo memo;
                 keep(table.find(to, memo));
               },
               1, 200, "classify udp 200"});
}

}  // namespace wanbond
