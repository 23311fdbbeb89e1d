#include "tests/bond/rows.h"

#include <utility>

namespace wanbond::bond {
namespace {

std::vector<FlowSpec> cubic(std::size_t count) { return std::vector<FlowSpec>(count); }
std::vector<FlowSpec> bbr() { return {{.congestion = CongestionKind::Bbr}}; }

Scenario profile(std::string name, WanSpec a, WanSpec b) {
  return {.name = std::move(name),
          .wans = {a, b},
          .flows = {{.start_s = 3}},
          .style = LinkStyle::Netem,
          .from_s = 3,
          .to_s = 17};
}

const WanSpec kW40{.mbit = 40, .delay_ms = 10}, kW20{.mbit = 20, .delay_ms = 60};
const WanSpec kNear20{.mbit = 20, .delay_ms = 30};
const WanSpec kW100{.mbit = 100, .delay_ms = 10};
const WanSpec kLossy{.mbit = 100, .delay_ms = 10, .loss_percent = 1};
const WanSpec kW300{.mbit = 300, .delay_ms = 20};
const WanSpec kLossy50{.mbit = 50, .delay_ms = 80, .loss_percent = 1};

// Links that only differ in rate and delay.
std::vector<Scenario> clean_rows() {
  return {{.name = "1 40/10+20/60 CUBIC", .wans = {kW40, kW20}, .flows = cubic(1)},
          {.name = "2 40/10+20/60 BBR", .wans = {kW40, kW20}, .flows = bbr(), .from_s = 15},
          {.name = "1b 40/10+20/30 from the start",
           .wans = {kW40, kNear20},
           .flows = cubic(1),
           .from_s = 0.4,
           .to_s = 10.4},
          {.name = "2b 40/10+20/30 BBR from the start",
           .wans = {kW40, kNear20},
           .flows = bbr(),
           .from_s = 0.4,
           .to_s = 10.4},
          {.name = "19b 40/10 BBR from the start",
           .wans = {kW40},
           .flows = bbr(),
           .from_s = 0.4,
           .to_s = 10.4},
          {.name = "3 100/10+100/10", .wans = {kW100, kW100}, .flows = cubic(1)},
          {.name = "6 four links",
           .wans = {{.mbit = 50, .delay_ms = 15},
                    {.mbit = 30, .delay_ms = 30},
                    {.mbit = 20, .delay_ms = 45},
                    {.mbit = 10, .delay_ms = 60}},
           .flows = cubic(1)},
          {.name = "16 eight CUBIC", .wans = {kW40, kW20}, .flows = cubic(8)},
          {.name = "17 web beside bulk",
           .wans = {kW40, kW20},
           .flows = {{},
                     {.start_s = 15, .segments = 70},
                     {.start_s = 18, .segments = 70},
                     {.start_s = 21, .segments = 691}}},
          {.name = "27 three links, a CUBIC pinned to each",
           .wans = {kW100, kW100, kW100},
           .flows = {{.pinned = 0}, {.pinned = 1}, {.pinned = 2}}},
          {.name = "28 three links, a BBR pinned to each",
           .wans = {kW100, kW100, kW100},
           .flows = {{.congestion = CongestionKind::Bbr, .pinned = 0},
                     {.congestion = CongestionKind::Bbr, .pinned = 1},
                     {.congestion = CongestionKind::Bbr, .pinned = 2}}},
          {.name = "18 1000/5+1000/8",
           .wans = {{.mbit = 1000, .delay_ms = 5}, {.mbit = 1000, .delay_ms = 8}},
           .flows = cubic(1),
           .from_s = 5,
           .to_s = 15},
          {.name = "19 one path", .wans = {kW100}, .flows = cubic(1)}};
}

// Links that fail, or change their rate.
std::vector<Scenario> failing_rows() {
  return {{.name = "7 fast link out",
           .wans = {kW40, kW20},
           .flows = cubic(1),
           .changes = {{20, 0, 0}, {30, 0, 40}},
           .from_s = 20.2,
           .to_s = 30,
           .watch_s = 19},
          {.name = "8 slow link out",
           .wans = {kW40, kW20},
           .flows = cubic(1),
           .changes = {{20, 1, 0}, {30, 1, 20}},
           .from_s = 20.2,
           .to_s = 30,
           .watch_s = 19},
          {.name = "9 one of two equal out",
           .wans = {kW100, kW100},
           .flows = cubic(1),
           .changes = {{20, 1, 0}, {30, 1, 100}},
           .from_s = 20.2,
           .to_s = 30,
           .watch_s = 19},
          {.name = "10 rate 50 to 5 to 50",
           .wans = {{.mbit = 50, .delay_ms = 25}, {.mbit = 30, .delay_ms = 15}},
           .flows = cubic(1),
           .changes = {{20, 0, 5}, {30, 0, 50}},
           .from_s = 20,
           .to_s = 30,
           .watch_s = 19},
          {.name = "15 Starlink-like",
           .wans = {{.mbit = 200, .delay_ms = 25}, {.mbit = 50, .delay_ms = 30}},
           .flows = cubic(4),
           .changes =
               {{15, 0, 0}, {15.1, 0, 120}, {25, 0, 0}, {25.1, 0, 220}, {35, 0, 0}, {35.1, 0, 150}},
           .from_s = 10,
           .to_s = 45},
          {.name = "24 micro-cuts",
           .wans = {kW100, kW100},
           .flows = cubic(1),
           .changes = {{12, 0, 0},
                       {12.03, 0, 100},
                       {17, 1, 0},
                       {17.03, 1, 100},
                       {22, 0, 0},
                       {22.03, 0, 100},
                       {27, 1, 0},
                       {27.03, 1, 100}}}};
}

// Loss, jitter, shallow buffers, very long paths.
std::vector<Scenario> hard_rows() {
  return {
      {.name = "4 300/20+50/80 1 % loss",
       .wans = {kW300, kLossy50},
       .flows = cubic(1),
       .from_s = 15},
      {.name = "4b the same, 4 flows", .wans = {kW300, kLossy50}, .flows = cubic(4), .from_s = 15},
      {.name = "5 300/20+50/80 1 % BBR", .wans = {kW300, kLossy50}, .flows = bbr(), .from_s = 15},
      {.name = "11 jitter 10 ms",
       .wans = {{.mbit = 60, .delay_ms = 20, .jitter_ms = 10}, {.mbit = 40, .delay_ms = 15}},
       .flows = cubic(1)},
      {.name = "12 burst loss 1.9 %",
       .wans = {{.mbit = 50, .delay_ms = 20, .burst_begin_percent = 0.8, .burst_end_percent = 41},
                {.mbit = 50, .delay_ms = 25}},
       .flows = cubic(1)},
      {.name = "14 shallow buffers",
       .wans = {{.mbit = 50, .delay_ms = 10, .buffer_ms = 3},
                {.mbit = 50, .delay_ms = 20, .buffer_ms = 10}},
       .flows = cubic(1)},
      {.name = "20 satellite",
       .wans = {{.mbit = 50, .delay_ms = 15}, {.mbit = 30, .delay_ms = 280}},
       .flows = cubic(1),
       .from_s = 20,
       .to_s = 60},
      {.name = "23 1 % on both", .wans = {kLossy, kLossy}, .flows = cubic(1), .from_s = 20}};
}

// Somebody else, or we ourselves, in the same queue.
std::vector<Scenario> shared_rows() {
  const WanSpec w50{.mbit = 50, .delay_ms = 20};
  const WanSpec behind{.mbit = 100, .delay_ms = 15, .is_behind_first = true};
  const FlowSpec rival{.start_s = 5, .beside = 0};
  const FlowSpec bbr_rival{.congestion = CongestionKind::Bbr, .start_s = 5, .beside = 0};
  return {{.name = "13 beside a CUBIC",
           .wans = {kW100, w50},
           .flows = {{}, {}, {}, {}, rival},
           .from_s = 15,
           .to_s = 60},
          {.name = "22 beside a BBR",
           .wans = {kW100, w50},
           .flows = {{}, {}, {}, {}, bbr_rival},
           .from_s = 15,
           .to_s = 60},
          {.name = "25 two paths, one bottleneck", .wans = {kW100, behind}, .flows = cubic(1)},
          {.name = "26 the same beside a CUBIC",
           .wans = {kW100, behind},
           .flows = {{}, {}, {}, {}, rival},
           .from_s = 15,
           .to_s = 60}};
}

}  // namespace

std::vector<Scenario> table_rows() {
  std::vector<Scenario> rows = clean_rows();
  for (const auto& more : {hard_rows(), failing_rows(), shared_rows()})
    rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

std::vector<Scenario> two_path_profiles() {
  const WanSpec plain{.mbit = 50, .delay_ms = 20};
  const auto lossy = [&](double percent) {
    WanSpec wan = plain;
    wan.loss_percent = percent;
    return wan;
  };
  const auto shaky = [&](double ms) {
    WanSpec wan = plain;
    wan.jitter_ms = ms;
    return wan;
  };
  const auto wan = [](double mbit, double delay, double jitter = 0, double loss = 0) {
    return WanSpec{.mbit = mbit, .delay_ms = delay, .loss_percent = loss, .jitter_ms = jitter};
  };
  return {
      profile("baseline", plain, plain),
      profile("loss_05", lossy(0.5), lossy(0.5)),
      profile("loss_2", lossy(2), lossy(2)),
      profile("jit_5", shaky(5), shaky(5)),
      profile("jit_20", shaky(20), shaky(20)),
      profile("rtt_40", plain, wan(50, 40)),
      profile("rtt_70", plain, wan(50, 70)),
      profile("rtt_120", plain, wan(50, 120)),
      profile("rtt_320", plain, wan(50, 320)),
      profile("bw_4to1", plain, wan(12, 20)),
      profile("bw_10to1", wan(100, 20), wan(10, 20)),
      profile("dual_lte", wan(40, 30, 5, 0.5), wan(25, 45, 8, 0.5)),
      profile("fiber_lte", wan(300, 8), wan(30, 40, 8, 0.5)),
      profile("lte_starlink", wan(40, 35, 8), wan(100, 50, 25, 1)),
      profile("lte_geo", wan(40, 35), wan(20, 320, 20, 0.5)),
      profile("congested", wan(20, 50, 20, 2), wan(15, 60, 25, 2)),
  };
}

}  // namespace wanbond::bond
