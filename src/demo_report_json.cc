// The demo's report for programs; its names are stable.
#include "demo_report.h"
#include "json_writer.h"

namespace wanbond {
namespace {

constexpr int kReportSchema = 1;

void write_time(JsonWriter& json, const char* name, const std::optional<Duration>& time) {
  json.key(name);
  if (time)
    json.value(to_ms(*time));
  else
    json.null();
}

void write_site(JsonWriter& json, const DemoReaction& site) {
  json.begin_object().member("name", site.site);
  write_time(json, "suspect_ms", site.suspect);
  write_time(json, "moved_ms", site.moved);
  write_time(json, "down_ms", site.down);
  json.member("down_cause", site.cause);
  write_time(json, "reused_ms", site.reused);
  json.end_object();
}

void write_gaps(JsonWriter& json, const DemoFacts& facts, const DemoStreamFacts& stream) {
  json.member("longest_gap_ms", to_ms(stream.longest_gap.length))
      .member("longest_gap_at_s", to_ms(stream.longest_gap.began - facts.began) / 1e3)
      .member("gap_at_cut_ms", to_ms(stream.cut_gap.length));
}

void write_phases(JsonWriter& json, const char* name,
                  const std::array<std::uint64_t, kDemoPhases>& phases) {
  json.key(name).begin_array();
  for (const std::uint64_t bytes : phases) json.value(bytes);
  json.end_array();
}

}  // namespace

std::string demo_report_json(const DemoFacts& facts) {
  const auto failures = demo_failures(facts);
  JsonWriter json;
  json.begin_object().member("schema", kReportSchema).member("passed", failures.empty());
  json.key("failures").begin_array();
  for (const std::string& failure : failures) json.value(failure);
  json.end_array()
      .member("wan", facts.wan)
      .member("began_ns", facts.began.time_since_epoch().count())
      .member("cut_ns", facts.cut_at.time_since_epoch().count())
      .member("restored_ns", facts.restored_at.time_since_epoch().count());
  write_time(json, "detection_ms", detection_time(facts));
  json.key("sites").begin_array();
  for (const DemoReaction& site : facts.sites) write_site(json, site);
  json.end_array().key("tcp").begin_object();
  json.member("sent_bytes", facts.file.sent.bytes)
      .member("received_bytes", facts.file.received.bytes)
      .member("corrupted_bytes", facts.corrupted_bytes)
      .member("sent_sha256", facts.sent_hash)
      .member("received_sha256", facts.received_hash)
      .member("seconds", to_ms(facts.file.received.at - facts.began) / 1e3)
      .member("during_cut_bytes", facts.file.during_outage.bytes);
  write_gaps(json, facts, facts.file);
  json.end_object().key("udp").begin_object();
  json.member("sent_packets", facts.packets.sent.packets)
      .member("received_packets", facts.packets.received.packets)
      .member("lost_packets", facts.packets.sent.packets - facts.packets.received.packets)
      .member("duplicate_packets", facts.packets.received.duplicates)
      .member("during_cut_packets", facts.packets.during_outage.packets);
  write_gaps(json, facts, facts.packets);
  json.end_object().key("wans").begin_array();
  for (const DemoShare& share : facts.shares) {
    json.begin_object().member("name", share.wan);
    write_phases(json, "to_branch_bytes", share.to_branch);
    write_phases(json, "to_hq_bytes", share.to_hq);
    json.end_object();
  }
  return json.end_array().end_object().text() + "\n";
}

}  // namespace wanbond
