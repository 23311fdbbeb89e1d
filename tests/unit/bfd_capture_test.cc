// Captured BFD packets: each is decoded as tcpdump does, and BIRD's packets drive a session that
// must give FRR's answers.
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "bfd_pair.h"
#include "pcap.h"
#include "proto/bfd.h"

using namespace wanbond;
using namespace wanbond::test;

namespace {

const std::string kFolder = WANBOND_VECTORS "/bfd/";

/// The text after `label` in `text`, from `from` on; empty if there is none.
std::string after(const std::string& text, const std::string& label) {
  const auto at = text.find(label);
  return at == std::string::npos ? "" : text.substr(at + label.size());
}

unsigned long number_after(const std::string& text, const std::string& label, int base = 10) {
  const std::string rest = after(text, label);
  REQUIRE_FALSE(rest.empty());
  return std::stoul(rest, nullptr, base);
}

/// tcpdump -v's words for each BFD packet of a file, in order.
std::vector<std::string> tcpdump_texts(const std::string& name) {
  std::ifstream file(kFolder + name + "-v.out");
  std::vector<std::string> texts;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    const bool starts = line.find("BFDv1, length:") != std::string::npos;
    if (starts) texts.emplace_back();
    // Lines of one packet are indented by a tab.
    inside = starts || (inside && !line.empty() && line[0] == '\t');
    if (inside) texts.back() += line + "\n";
  }
  return texts;
}

std::string state_word(BfdState state) {
  switch (state) {
    case BfdState::AdminDown:
      return "AdminDown";
    case BfdState::Down:
      return "Down";
    case BfdState::Init:
      return "Init";
    case BfdState::Up:
      return "Up";
  }
  return "";
}

std::string flags_words(const BfdControl& control) {
  std::string words;
  const auto add = [&words](bool set, const char* word) {
    if (set) words += (words.empty() ? "" : ", ") + std::string(word);
  };
  add(control.poll, "Poll");
  add(control.final, "Final");
  add(control.control_plane_independent, "Control Plane Independent");
  add(control.demand, "Demand");
  return words.empty() ? "none" : words;
}

void check_against(const std::string& text, const BfdControl& control) {
  CHECK(after(text, "State ").starts_with(state_word(control.state) + ","));
  CHECK(after(text, "Flags: [").starts_with(flags_words(control) + "]"));
  CHECK(number_after(after(text, "Diagnostic: "), "(0x", 16) ==
        static_cast<unsigned long>(control.diag));
  CHECK(number_after(text, "Multiplier: ") == control.detect_mult);
  CHECK(number_after(text, "My Discriminator: ", 16) == control.my_discriminator);
  CHECK(number_after(text, "Your Discriminator: ", 16) == control.your_discriminator);
  CHECK(number_after(text, "min Tx Interval: ") ==
        static_cast<unsigned long>(control.desired_min_tx / 1ms));
  CHECK(number_after(text, "min Rx Interval: ") ==
        static_cast<unsigned long>(control.required_min_rx / 1ms));
  CHECK(number_after(text, "min Echo Interval: ") ==
        static_cast<unsigned long>(control.required_min_echo_rx / 1ms));
}

/// BFD payloads of a file that tcpdump decoded: not the ones it takes for Broadcom's shim.
std::vector<UdpPacket> decoded_packets(const Pcap& capture, const std::string& name) {
  std::vector<UdpPacket> packets;
  for (const auto& packet : capture.packets) {
    const auto udp = udp_of(capture, packet);
    REQUIRE(udp);
    if (name == "bfd-frr-bird" && udp->source.port == 49152) continue;
    packets.push_back(*udp);
  }
  return packets;
}

const IpAddress kFrr = *IpAddress::parse("10.78.0.1");
/// FRR 8.4.4 stayed Up for 0.9 s after BIRD had told Down: not an example to follow.
constexpr Duration kStubbornFrom = 8370ms;
constexpr Duration kStubbornTo = 9350ms;

/// A session with FRR's settings in FRR's place.
struct Stand {
  SeededRandom random{3};
  BfdSession session;
  std::vector<BfdControl> sent;
  std::vector<BfdStateChange> changes;

  explicit Stand(Time start) : session(start, {{50ms, 60ms, 4}, BfdLiveness::Strict}, random) {}

  void note(const std::optional<BfdStateChange>& change) {
    if (change) changes.push_back(*change);
  }
  void run_until(Time end) {
    for (Time next = session.next_timeout(); next < end; next = session.next_timeout()) step(next);
    step(end);
  }
  void step(Time now) {
    note(session.on_timer(now));
    while (const auto packet = session.poll_transmit(now)) sent.push_back(*packet);
  }
  void hear(Time now, BfdControl control) {
    if (control.your_discriminator != 0) control.your_discriminator = session.my_discriminator();
    sent.clear();
    note(session.on_control(now, control));
    step(now);
  }
};

}  // namespace

TEST_SUITE("bfd_capture") {
  TEST_CASE("packets are decoded as tcpdump decodes them") {
    for (const std::string name : {"bfd-frr-bird", "bfd-lag", "bfd-multihop", "bfd-sbfd"}) {
      CAPTURE(name);
      const auto capture = read_pcap(kFolder + name + ".pcap");
      const auto texts = tcpdump_texts(name);
      if (!capture || texts.empty()) {
        MESSAGE("skipped: bfd/" << name << " is not there");
        continue;
      }
      const auto packets = decoded_packets(*capture, name);
      REQUIRE(packets.size() >= texts.size());
      CHECK(packets.size() == texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        CAPTURE(i);
        BfdError error{};
        const auto control = parse_bfd(packets[i].payload, error);
        REQUIRE(control);
        check_against(texts[i], *control);
        std::array<std::byte, kBfdControlBytes> again{};
        ByteWriter out(again);
        write_bfd(out, *control);
        CHECK(std::ranges::equal(again, packets[i].payload.first(kBfdControlBytes)));
      }
    }
  }

  TEST_CASE("a packet from port 49152 is decoded as tcpdump decodes it") {
    const auto capture = read_pcap(kFolder + "bfd_source_port_49152.pcap");
    if (!capture) {
      MESSAGE("skipped: bfd/bfd_source_port_49152.pcap is not there");
      return;
    }
    REQUIRE(capture->packets.size() == 1);
    BfdError error{};
    const auto control = parse_bfd(udp_of(*capture, capture->packets[0])->payload, error);
    REQUIRE(control);
    CHECK(control->control_plane_independent);
    CHECK(control->state == BfdState::Up);
    CHECK(control->my_discriminator == 0x80000001);
    CHECK(control->desired_min_tx == 100ms);
  }

  TEST_CASE("packets with an authentication section are refused") {
    for (const std::string kind : {"simple", "md5", "sha1"}) {
      const auto capture = read_pcap(kFolder + "bfd-raw-auth-" + kind + ".pcap");
      if (!capture) {
        MESSAGE("skipped: bfd/bfd-raw-auth-" << kind << ".pcap is not there");
        continue;
      }
      CHECK(capture->packets.size() >= 15);
      for (const auto& packet : capture->packets) {
        BfdError error{};
        const auto udp = udp_of(*capture, packet);
        REQUIRE(udp);
        CHECK_FALSE(parse_bfd(udp->payload, error));
        CHECK(error == BfdError::Authentication);
      }
    }
  }

  TEST_CASE("a malformed capture gives no packet, whatever part of it is read as BFD") {
    const auto capture = read_pcap(kFolder + "hoobr_bfd_print.pcap");
    if (!capture) {
      MESSAGE("skipped: bfd/hoobr_bfd_print.pcap is not there");
      return;
    }
    for (const auto& packet : capture->packets) {
      (void)udp_of(*capture, packet);
      const Bytes bytes(packet.bytes);
      for (std::size_t from = 0; from < bytes.size(); ++from) {
        BfdError error{};
        (void)parse_bfd(bytes.subspan(from), error);
        (void)udp_of_ip(bytes.subspan(from));
      }
    }
  }

  TEST_CASE("BIRD's packets take the session through FRR's states, with FRR's answers") {
    const auto capture = read_pcap(kFolder + "bfd-frr-bird.pcap");
    if (!capture || capture->packets.empty()) {
      MESSAGE("skipped: bfd/bfd-frr-bird.pcap is not there");
      return;
    }
    const Duration first = capture->packets[0].time;
    const Time start{1s};
    Stand stand(start);
    bool admin_down = false;
    std::size_t compared = 0;
    std::size_t finals = 0;
    for (const auto& packet : capture->packets) {
      const Duration since = packet.time - first;
      const Time now = start + since;
      CAPTURE(to_ms(since));
      BfdError error{};
      const auto udp = udp_of(*capture, packet);
      REQUIRE(udp);
      const auto control = parse_bfd(udp->payload, error);
      REQUIRE(control);
      stand.run_until(now);
      if (udp->source.address != kFrr) {
        stand.hear(now, *control);
        if (!control->poll || admin_down) continue;
        REQUIRE_FALSE(stand.sent.empty());
        CHECK(stand.sent.front().final);
        ++finals;
        continue;
      }
      const bool wants_down = control->state == BfdState::AdminDown;
      if (wants_down && !admin_down) stand.note(stand.session.set_admin_down(now));
      if (!wants_down && admin_down) stand.note(stand.session.clear_admin_down(now));
      admin_down = wants_down;
      if (since > kStubbornFrom && since < kStubbornTo) continue;
      CHECK(state_word(stand.session.state()) == state_word(control->state));
      CHECK((stand.session.your_discriminator() != 0) == (control->your_discriminator != 0));
      ++compared;
    }
    CHECK(compared > 200);
    CHECK(finals >= 6);
    // FRR noticed BIRD's death at 18.053 s: 5 x 200 ms after its last packet.
    const BfdStateChange* death = nullptr;
    for (const auto& change : stand.changes)
      if (change.from == BfdState::Up && change.diag == BfdDiag::DetectionTimeExpired)
        death = &change;
    REQUIRE(death != nullptr);
    CHECK(death->time > start + 18053ms - 20ms);
    CHECK(death->time < start + 18053ms + 20ms);
  }
}
