// Each fault of a configuration with its exact message; units, defaults, drop-ins, suggestions.
#include "config.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "config_values.h"
#include "suggest.h"

using namespace wanbond;

namespace {

const std::string kSecret = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const std::string kOwnPublic = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";
const std::string kPeerPublic = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
const std::string kOtherPublic = "TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=";

/// Line 1 [Interface], 2 PrivateKey; `interface` from line 3 on.
std::string minimal(const std::string& interface = "", const std::string& peer = "") {
  return "[Interface]\nPrivateKey = " + kSecret + "\n" + interface +
         "[Peer hq]\nPublicKey = " + kPeerPublic + "\nAllowedIPs = 10.0.0.0/16\n" + peer;
}

Config parse(const std::string& text) {
  auto config = parse_config({{"/etc/wanbond/t.conf", text}});
  if (!config) FAIL(config.error().message);
  return *config;
}

std::string fault_of(const std::string& text) {
  const auto config = parse_config({{"t.conf", text}});
  return config ? "none" : config.error().message;
}

/// A file in a fresh folder that goes away with the object.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "wanbond-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string write(const std::string& name, const std::string& text, unsigned mode = 0600) {
    const auto file = path_ / name;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    std::filesystem::permissions(file, std::filesystem::perms(mode));
    return file.string();
  }

 private:
  std::filesystem::path path_;
};

/// A text and all that is wrong with it.
struct Row {
  std::string text, message;
};
const Row kFaults[] = {
    {minimal("Devcie = wb1\n"),
     "t.conf:3: unknown key Devcie in [Interface]; did you mean Device?"},
    {minimal("listenport = 1\n"),
     "t.conf:3: unknown key listenport in [Interface]; did you mean ListenPort?"},
    {minimal("Colour = blue\n"), "t.conf:3: unknown key Colour in [Interface]"},
    {minimal() + "[Pear x]\n", "t.conf:6: unknown section [Pear]; did you mean Peer?"},
    {minimal() + "[Wan]\nDevice = eth0\n", "t.conf:6: [Wan] needs a name: [Wan NAME]"},
    {minimal() + "[Wan a b]\nDevice = eth0\n",
     "t.conf:6: 'a b' cannot be a name: 1 to 16 letters, digits, '.', '_' or '-'"},
    {"[Interface x]\n",
     "t.conf:1: [Interface] has no name\n"
     "t.conf: [Interface] needs a PrivateKey; make one with: wanbond genkey\n"
     "t.conf: there is no [Peer NAME]"},
    {minimal() + "[Interface]\n", "t.conf:6: a second [Interface], the first is in line 1"},
    {minimal() + "[Peer hq]\n", "t.conf:6: a second [Peer hq], the first is in line 3"},
    {minimal("Device\n"), "t.conf:3: neither a [Section] nor \"Key = value\": 'Device'"},
    {minimal("Device =  # none\n"),
     "t.conf:3: Device has no value; leave the line out for the default"},
    {minimal("= 3\n"), "t.conf:3: there is no key before the '='"},
    {"Device = wb0\n" + minimal(), "t.conf:1: Device stands before the first [Section]"},
    {minimal() + "[Wan fiber\n",
     "t.conf:6: a section is written [Interface] or [Wan fiber], not '[Wan fiber'"},
    {minimal("\x01\n"), "t.conf:3: control characters; this is not a text file"},
    {minimal("Device = a\nDevice = b\n"), "t.conf:4: Device is given twice, first in line 3"},
    {minimal("ListenPort = 70000\n"),
     "t.conf:3: ListenPort: '70000' is not a UDP port (0 to 65535)"},
    {minimal("MTU = 500\n"),
     "t.conf:3: MTU: '500' is not auto or a number of bytes from 576 to 65535"},
    {minimal("Table = main\n"),
     "t.conf:3: Table: 'main' is not auto, off or the number of a routing table"},
    {minimal("LogLevel = warn\n"),
     "t.conf:3: LogLevel: 'warn' is not error, warning, info or debug"},
    {minimal("LogLevel = warnin\n"),
     "t.conf:3: LogLevel: 'warnin' is not error, warning, info or debug; did you mean "
     "warning?"},
    {minimal("Memory = 48\n"), "t.conf:3: Memory: '48' is not between 8MB and 64GB"},
    {minimal("Memory = 48 pigs\n"),
     "t.conf:3: Memory: '48 pigs' is not a size such as 1500, 48MB or 64MiB"},
    {minimal("FastRecovery = true\n"), "t.conf:3: FastRecovery: 'true' is not yes or no"},
    {minimal("Address = 10.0.0.1/33\n"),
     "t.conf:3: Address: '10.0.0.1/33' is not an address with its prefix such as 10.77.0.2/24"},
    {minimal("Address = 10.0.0.1/24,,10.0.0.2\n"), "t.conf:3: Address: empty element in list"},
    {minimal("Device = a/b\n"),
     "t.conf:3: Device: 'a/b' is not the name of a network device (1 to 15 characters)"},
    {minimal("Metrics = localhost:1\n"),
     "t.conf:3: Metrics: 'localhost:1' is not an address and a port such as 127.0.0.1:9477"},
    {minimal("ControlSocket = x.sock\n"),
     "t.conf:3: ControlSocket: 'x.sock' is not an absolute path of at most 107 characters"},
    {minimal("NetKey = abc\n"),
     "t.conf:3: NetKey: neither a key (44 characters of base64) nor the absolute path of a "
     "file"},
    {minimal("", "Endpoint = 198.51.100.10\n"),
     "t.conf:6: Endpoint: '198.51.100.10' is not an address or host name and a port such as "
     "198.51.100.10:51900"},
    {minimal("", "Endpoint = 2001:db8::1\n"),
     "t.conf:6: Endpoint: '2001:db8::1' is not an address or host name and a port such as "
     "[2001:db8::1]:51900"},
    {minimal("", "Endpoint = a b:5\n"),
     "t.conf:6: Endpoint: 'a b:5' is not an address or host name and a port such as "
     "hq.example.net:51900"},
    {minimal("", "Cipher = aess\n"),
     "t.conf:6: Cipher: 'aess' is not auto, aes or chacha; did you mean aes?"},
    {minimal("", "PublicKey = " + kPeerPublic + "\n"),
     "t.conf:6: PublicKey is given twice, first in line 4"},
    {minimal("", "AllowedIPs = 10.0.0.0/16\n"),
     "t.conf:6: AllowedIPs: 10.0.0.0/16 is listed twice"},
    {minimal("", "Metric = -1\n"), "t.conf:6: Metric: '-1' is not a number from 0 to 65535"},
    {minimal("", "[Peer b]\nAllowedIPs = 10.1.0.0/16\n"), "t.conf:6: [Peer b] needs a PublicKey"},
    {minimal("", "[Peer b]\nPublicKey = x\n"),
     "t.conf:7: PublicKey: 'x' is not a public key (44 characters of base64, from wanbond "
     "pubkey)"},
    {minimal("", "[Peer b]\nPublicKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
     "t.conf:7: PublicKey: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=' is the key of nobody (a "
     "point of low order); ask the peer again"},
    {minimal("", "[Peer b]\nPublicKey = " + kPeerPublic + "\nAllowedIPs = 10.1.0.0/16\n"),
     "t.conf:7: PublicKey is also that of [Peer hq]"},
    {minimal("", "[Peer b]\nPublicKey = " + kOtherPublic + "\nAllowedIPs=10.1.0.0/16,\\\n"),
     "t.conf:8: AllowedIPs: '\\' is not a prefix such as 10.0.0.0/16 or fd00::/8"},
    {minimal("",
             "[Peer b]\nPublicKey = " + kOtherPublic + "\nAllowedIPs=10.1.0.0/16,10.0.0.0/16\n"),
     "t.conf:8: AllowedIPs: 10.0.0.0/16 is also in [Peer hq]; give one of the two another "
     "Metric (the lowest that is up wins)"},
    {minimal("", "[Wan fiber]\nPriority = 1\n"),
     "t.conf:6: [Wan fiber] needs a Device or a Source"},
    {minimal("", "[Wan a]\nDevice = e0\nPriority = 0\n"),
     "t.conf:8: Priority: '0' is not a number from 1 to 255"},
    {minimal("", "[Wan a]\nDevice = e0\nHeartbeat = 20ms x1\n"),
     "t.conf:8: Heartbeat: '20ms x1' is not an interval and a multiplier from 2 to 25 such as "
     "20ms x4"},
    {minimal("", "[Wan a]\nDevice = e0\nHeartbeat = 5ms\n"),
     "t.conf:8: Heartbeat: '5ms' is not an interval of 10ms to 10s and a multiplier such as "
     "20ms x4"},
    {minimal("", "[Wan a]\nDevice = e0\nMaxRate = 5\n"),
     "t.conf:8: MaxRate: '5' is not a rate with a unit such as 100Mbit or 1Gbit"},
    {minimal("", "[Wan a]\nSource = 1.2.3.4\nGateway = fe80::1\n"),
     "t.conf:8: Gateway and Source are of different families"},
    {minimal("", "[Wan a]\nDevice = e0\n[Wan b]\nDevice = e0\n"),
     "t.conf:8: [Wan b] is the same as [Wan a]: Device, Source and ListenPort agree"},
    {minimal("", "Paths = fibre>any\n[Wan fiber]\nDevice = e0\n"),
     "t.conf:6: there is no [Wan fibre]; did you mean fiber?"},
    {minimal("", "Paths = fiber\n[Wan fiber]\nDevice = e0\n"),
     "t.conf:6: Paths: 'fiber' is not a WAN and an endpoint such as "
     "fiber>198.51.100.10:51900 or lte>any"},
    {minimal("", "Endpoint = 1.2.3.4:5\nPaths = f>1.2.3.4:6\n[Wan f]\nDevice = e0\n"),
     "t.conf:7: Paths: 1.2.3.4:6 is no Endpoint of [Peer hq]; did you mean 1.2.3.4:5?"},
    {minimal("", "[Lan a]\nSubnet = 10.1.0.0/24\nWan = fibre\n[Wan fiber]\nDevice = e0\n"),
     "t.conf:8: there is no [Wan fibre]; did you mean fiber?"},
    {minimal("", "[Lan a]\nWan = w\n"), "t.conf:6: [Lan a] needs a Subnet"},
    {minimal("", "[Lan a]\nSubnet = 10.1.0.0/24\n"), "t.conf:6: [Lan a] needs a Wan"},
    {minimal("",
             "[Lan a]\nSubnet = 10.1.0.0/24\nWan = w\n"
             "[Lan b]\nSubnet = 10.2.0.0/24, 10.1.0.0/24\nWan = v\n"),
     "t.conf:10: Subnet: 10.1.0.0/24 is also in [Lan a]"},
    {minimal("", "[Rule v]\nMatch = proto=udp\n"), "t.conf:6: [Rule v] needs a Mode"},
    {minimal("", "[Rule v]\nMode = agregate\n"),
     "t.conf:7: Mode: 'agregate' is not aggregate, smooth, pinned, lowest-delay, handoff, "
     "duplicate, "
     "hash, overflow, bypass or drop; did you mean aggregate?"},
    {minimal("", "[Rule v]\nMode = bypass\n"),
     "t.conf:7: Mode = bypass without a Match would leave nothing for the tunnel; give one"},
    {minimal("",
             "[Rule a]\nMode = drop\nMatch = proto=tcp\n[Rule v]\nMode = bypass\n"
             "Match = proto=udp\n"),
     "t.conf:10: Mode = bypass works only before all rules of other modes, as the kernel decides "
     "first; move [Rule v] up"},
    {minimal("", "[Rule v]\nMode = bypass\nMatch = proto=udp\nRepair = yes\n"),
     "t.conf:9: Repair means nothing with Mode = bypass; take it out"},
    {minimal("", "[Rule v]\nMode = bypass\nMatch = proto=udp size=0-400\n"),
     "t.conf:8: Match: the kernel's routing does not know size= and dscp=, which Mode = bypass "
     "would need; take them out"},
    {minimal("", "[Rule v]\nMode = duplicate(5)\n"),
     "t.conf:7: Mode: 'duplicate(5)' is not a mode; only duplicate takes a number, 2 to 4, as in "
     "duplicate(3)"},
    {minimal("", "[Rule v]\nMode = hash(2)\n"),
     "t.conf:7: Mode: 'hash(2)' is not a mode; only duplicate takes a number, 2 to 4, as in "
     "duplicate(3)"},
    {minimal("", "[Rule v]\nMode = hash\nAqm = balanced\n"), "t.conf:8: unknown key Aqm in [Rule]"},
    {minimal("", "[Rule v]\nMode = pinned\n"),
     "t.conf:7: Mode = pinned needs Wans: those to use, the best first"},
    {minimal("", "[Rule v]\nMode = drop\nRepair = no\n"),
     "t.conf:8: Repair means nothing with Mode = drop; take it out"},
    {minimal("", "[Rule v]\nMode = duplicate(3)\nWans = a, b\n"),
     "t.conf:8: Mode = duplicate(3) needs as many Wans"},
    {minimal("", "[Rule v]\nMode = overflow\nWans = a\n[Wan a]\nDevice = e0\n"),
     "t.conf:8: Mode = overflow needs a second WAN, or no Wans: all by their Priority"},
    {minimal("", "[Rule v]\nMode = hash\nWans = a, a\n"), "t.conf:8: Wans: a is listed twice"},
    {minimal("", "[Rule v]\nMode = hash\nWans = fibre\n[Wan fiber]\nDevice = e0\n"),
     "t.conf:8: there is no [Wan fibre]; did you mean fiber?"},
    {minimal("", "[Rule v]\nMode = hash\nMatch = dport=99999\n"),
     "t.conf:8: Match: dport='99999' is not a port or a range of ports such as 5060-5070"},
    {minimal("", "[Rule v]\nMode = hash\nMatch = proto=udp proto=tcp\n"),
     "t.conf:8: Match: proto= is there twice; give one list: proto=A,B"},
    {minimal("", "[Rule v]\nMode = hash\nMatch = proto=icmp dport=53\n"),
     "t.conf:8: Match: only tcp and udp have ports; make a [Rule] for each protocol"},
    {minimal("", "[Rule v]\nMode = hash\nMatch = src=10.0.0.0/8 dst=fd00::/8\n"),
     "t.conf:8: Match: src and dst are of different families; nothing can match"},
    {"[Interface]\n",
     "t.conf:1: [Interface] needs a PrivateKey; make one with: wanbond genkey\n"
     "t.conf: there is no [Peer NAME]"},
};

}  // namespace

TEST_SUITE("config") {
  TEST_CASE("a small configuration has the documented defaults") {
    const Config config = parse(minimal());
    CHECK(config.name == "t");
    CHECK(config.interface.device == "wb0");
    CHECK(config.interface.listen_port == 51900);
    CHECK_FALSE(config.interface.mtu);
    CHECK(config.interface.table.kind == TableChoice::Kind::Auto);
    CHECK(config.interface.fwmark == 0);
    CHECK(config.interface.log_level == LogLevel::Info);
    CHECK(config.interface.memory_bytes == 48'000'000);
    CHECK(config.interface.fast_recovery);
    CHECK(config.control_path() == "/run/wanbond/t.sock");
    CHECK(config.wans.empty());
    REQUIRE(config.peers.size() == 1);
    CHECK(config.peers[0].metric == 100);
    CHECK(config.peers[0].cipher == CipherPolicy::Auto);
    CHECK(config.peers[0].paths.empty());
    CHECK(config.warnings.empty());
  }

  TEST_CASE("every key of a full configuration arrives") {
    const Config config = parse(
        "# the branch\n[Interface]\nPrivateKey = " + kSecret +
        " # not the real one\nAddress = 10.77.0.2/24, fd77::2/64\nAddress = 10.78.0.2\n"
        "Device = wan7\nListenPort = 0\nMTU = 1400\nTable = 77\nFwMark = 0x10\nUser = me\n"
        "ControlSocket = /tmp/x.sock\nMetrics = 127.0.0.1:9477\nPostUp = a, b #1\nPostUp = c#d\n"
        "PostDown = e\nLogLevel = debug\nMemory = 64MiB\n"
        "[Wan fiber]\nDevice=eth1\nSource = 192.0.2.10\nGateway = 192.0.2.1\nPriority = 2\n"
        "Metered = yes\nHeartbeat = 50ms x5\nListenPort = 5000\n"
        "[Wan lte]\nDevice = wwan0\n"
        "[Peer hq]\nPublicKey = " +
        kPeerPublic +
        "\nEndpoint = 198.51.100.10:51900, hq.example.net:51901\nEndpoint = [2001:db8::1]:51902\n"
        "AllowedIPs = 10.77.0.1/32, 10.0.0.0/16\nMetric = 7\nCipher = chacha\n"
        "Paths = fiber>198.51.100.10:51900, lte > any, lte>hq.example.net:51901\n");
    const InterfaceConfig& i = config.interface;
    REQUIRE(i.addresses.size() == 3);
    CHECK(i.addresses[0].address.to_string() == "10.77.0.2");
    CHECK(i.addresses[0].length == 24);
    CHECK(i.addresses[2].length == 32);
    CHECK(i.device == "wan7");
    CHECK(i.listen_port == 0);
    CHECK(i.mtu == 1400u);
    CHECK(i.table.number == 77);
    CHECK(i.fwmark == 16);
    CHECK(i.user == "me");
    CHECK(config.control_path() == "/tmp/x.sock");
    CHECK(i.metrics->port == 9477);
    CHECK(i.post_up == std::vector<std::string>{"a, b", "c#d"});
    CHECK(i.memory_bytes == 64u << 20);
    REQUIRE(config.wans.size() == 2);
    CHECK(config.wans[0].settings.priority == 2);
    CHECK(config.wans[0].settings.metered);
    CHECK(config.wans[0].settings.heartbeat == 50ms);
    CHECK(config.wans[0].settings.detect_mult == 5);
    CHECK(config.wans[0].listen_port == 5000);
    CHECK(config.wans[1].settings.heartbeat == 20ms);
    CHECK(config.wans[1].settings.detect_mult == 4);
    const PeerConfig& peer = config.peers.at(0);
    REQUIRE(peer.endpoints.size() == 3);
    CHECK(peer.endpoints[1].to_string() == "hq.example.net:51901");
    CHECK_FALSE(peer.endpoints[1].address);
    CHECK(peer.endpoints[2].to_string() == "[2001:db8::1]:51902");
    CHECK(peer.metric == 7);
    REQUIRE(peer.paths.size() == 3);
    CHECK(peer.paths[1].wan == "lte");
    CHECK_FALSE(peer.paths[1].endpoint);
    CHECK(peer.paths[2].endpoint->host == "hq.example.net");
  }

  TEST_CASE("every key of a rule arrives, in file order") {
    const Config config =
        parse(minimal("",
                      "[Rule voip]\nMatch = proto=udp dport=5060,10000-20000 dscp=ef,10 size=0-400 "
                      "src=10.1.0.0/16 dst=0.0.0.0/0 sport=7\n"
                      "Mode = duplicate(3)\nWans = a, b\nWans = c\nMaxExtraDelay = 40ms\n"
                      "Repair = yes\n[Rule rest]\nMode = aggregate\n"));
    REQUIRE(config.rules.size() == 2);
    const FlowRule& rule = config.rules[0].rule;
    CHECK(rule.name == "voip");
    CHECK(rule.mode == RuleMode::Duplicate);
    CHECK(rule.copies == 3);
    CHECK(config.rules[0].wans == std::vector<std::string>{"a", "b", "c"});
    CHECK(rule.extra_delay_max == 40ms);
    CHECK(rule.repair == RuleRepair::Yes);
    CHECK(rule.match.protocols == std::vector<std::uint8_t>{17});
    REQUIRE(rule.match.destination_ports.size() == 2);
    CHECK(rule.match.destination_ports[1].first == 10000);
    CHECK(rule.match.destination_ports[1].last == 20000);
    CHECK(rule.match.source_ports[0].contains(7));
    CHECK(rule.match.dscps == std::vector<std::uint8_t>{46, 10});
    CHECK(rule.match.sizes[0].last == 400);
    CHECK(rule.match.sources[0].to_string() == "10.1.0.0/16");
    CHECK(rule.match.destinations[0].to_string() == "0.0.0.0/0");
    CHECK(config.rules[1].rule.match.is_empty());
    CHECK_FALSE(config.rules[1].rule.extra_delay_max);
  }

  TEST_CASE("a fault names file, line and cure") {
    for (const Row& row : kFaults) {
      CAPTURE(row.text);
      CHECK(fault_of(row.text) == row.message);
    }
  }

  TEST_CASE("what is only suspicious is a warning") {
    const Config config = parse(
        minimal("ListenPort = 0\nFastRecovery = no\n", "[Peer b]\nPublicKey = " + kOtherPublic +
                                                           "\nEndpoint = [2001:db8::1]:5\n"
                                                           "[Wan a]\nSource = 192.0.2.1\n"));
    CHECK(config.warnings ==
          std::vector<std::string>{
              "/etc/wanbond/t.conf:5: [Peer hq] has no Endpoint and ListenPort is 0: neither side "
              "can call the other",
              "/etc/wanbond/t.conf:8: [Peer b] has no AllowedIPs: nothing is sent to it",
              "/etc/wanbond/t.conf:10: [2001:db8::1]:5 cannot be reached: no [Wan] has a Source of "
              "IPv6",
              "/etc/wanbond/t.conf:4: FastRecovery has no effect in this version"});
  }

  TEST_CASE("times, rates and sizes take units and refuse nonsense") {
    CHECK(*parse_duration("50ms") == 50ms);
    CHECK(*parse_duration("2 s") == 2s);
    CHECK(*parse_duration("3min") == 180s);
    CHECK(*parse_duration("24h") == 24h);
    for (const char* text : {"", "50", "ms", "-1s", "25h", "1.5s", "99999999999999999999s", "5 5s"})
      CHECK_FALSE(parse_duration(text));
    CHECK(parse_rate("100Mbit")->bits_per_second == 100'000'000);
    CHECK(parse_rate("1gbit")->bits_per_second == 1'000'000'000);
    CHECK(parse_rate("0")->bits_per_second == 0);
    CHECK_FALSE(parse_rate("100"));
    CHECK(*parse_size("1500") == 1500);
    CHECK(*parse_size("48MB") == 48'000'000);
    CHECK(*parse_size("1 KiB") == 1024);
    CHECK_FALSE(parse_size("18446744073709551615GB"));
    CHECK(parse_heartbeat("20ms x4")->detect_mult == 4);
    CHECK(parse_heartbeat("1s x25")->interval == 1s);
  }

  TEST_CASE("suggestions come from near words only") {
    const std::vector<std::string> words{"PrivateKey", "Priority", "MTU"};
    CHECK(suggest("privatkey", words) == "; did you mean PrivateKey?");
    CHECK(suggest("Pirority", words) == "; did you mean Priority?");
    CHECK(suggest("MUT", words) == "; did you mean MTU?");
    CHECK(suggest("Colour", words) == "");
    CHECK(suggest("", words) == "");
    CHECK(suggest(std::string(100000, 'x'), words) == "");
  }

  TEST_CASE("a drop-in replaces single values, adds to lists and brings sections") {
    const auto config =
        parse_config({{"a.conf", minimal("Device = wb1\nAddress = 10.0.0.1/24\n")},
                      {"a.conf.d/1.conf", "[Interface]\nDevice = wb2\nAddress = 10.0.1.1/24\n"},
                      {"a.conf.d/2.conf", "[Interface]\nDevice = wb3\n[Wan x]\nDevice = e1\n"}});
    if (!config) FAIL(config.error().message);
    CHECK(config->interface.device == "wb3");
    CHECK(config->interface.addresses.size() == 2);
    CHECK(config->wans.size() == 1);
    CHECK(config->name == "a");
  }

  TEST_CASE("a long list of faults is cut") {
    std::string text = minimal();
    for (int i = 0; i < 1000; ++i) text += "[Bad]\n";
    const std::string fault = fault_of(text);
    CHECK(std::count(fault.begin(), fault.end(), '\n') == 20);
    CHECK(fault.ends_with("t.conf:26: more errors follow"));
  }

  TEST_CASE("keys are read from files that only their owner may read") {
    REQUIRE(crypto_init());
    ScratchFolder folder;
    const std::string key = folder.write("own.key", kSecret + "\n");
    const auto write = [&](const std::string& file_of_key, const std::string& rest = "") {
      return folder.write("n.conf",
                          "[Interface]\nPrivateKey = " + file_of_key + "\n[Peer hq]\n" + rest +
                              "AllowedIPs = 10.0.0.0/8\nPublicKey = " + kPeerPublic + "\n");
    };
    const auto good = load_config(write(key, "PresharedKey = " + key + "\n"));
    if (!good) FAIL(good.error().message);
    CHECK(good->keys.secret.to_text() == kSecret);
    CHECK(good->keys.public_key.to_text() == kOwnPublic);
    CHECK(good->peers[0].psk.to_text() == kSecret);

    const std::string open_key = folder.write("open.key", kSecret, 0640);
    const std::string conf = write(open_key);
    CHECK(load_config(conf).error().message ==
          conf + ":2: PrivateKey: " + open_key +
              " can be read by group or others; cure: chmod 600 " + open_key);
    const std::string bad_key = folder.write("bad.key", "hello\n");
    CHECK(load_config(write(bad_key)).error().message ==
          conf + ":2: PrivateKey: " + bad_key + " does not hold a key (44 characters of base64)");
    CHECK(load_config(write("/nonexistent.key")).error().message ==
          conf + ":2: PrivateKey: cannot read /nonexistent.key: No such file or directory");
    CHECK(load_config("/nonexistent.conf").error().message ==
          "cannot read /nonexistent.conf: No such file or directory");
  }

  TEST_CASE("a key that begins with a slash is no file") {
    CHECK_FALSE(KeyText{"/WWh/Rm1F0/FBN8J0baJr95xX9L/WH3AQ56D4JpE3wA=", {}}.is_file());
    CHECK(KeyText{"/etc/wanbond/branch.key", {}}.is_file());
    CHECK(KeyText{"/var/lib/wanbond/keys/of/the/office/branch1", {}}.is_file());
    CHECK_FALSE(KeyText{}.is_file());
  }

  TEST_CASE("the own public key is refused as a peer's") {
    REQUIRE(crypto_init());
    ScratchFolder folder;
    const std::string conf =
        folder.write("n.conf", "[Interface]\nPrivateKey = " + kSecret +
                                   "\n[Peer me]\nPublicKey = " + kOwnPublic + "\n");
    CHECK(load_config(conf).error().message ==
          conf + ":4: PublicKey of [Peer me] is this node's own");
  }

  TEST_CASE("drop-in files are read in the order of their names") {
    REQUIRE(crypto_init());
    ScratchFolder folder;
    const std::string conf = folder.write("n.conf", minimal());
    folder.write("n.conf.d/20.conf", "[Interface]\nDevice = last\n");
    folder.write("n.conf.d/10.conf", "[Interface]\nDevice = first\n");
    folder.write("n.conf.d/30.conf~", "rubbish");
    const auto config = load_config(conf);
    if (!config) FAIL(config.error().message);
    CHECK(config->interface.device == "last");
  }

  TEST_CASE("every key has a help text and a section") {
    const auto keys = config_keys();
    CHECK(keys.size() == 38);
    for (const KeyHelp& key : keys) CHECK_FALSE(key.help.empty());
  }
}
