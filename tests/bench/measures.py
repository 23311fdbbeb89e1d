"""What the namespace bench measures of whatever stands between the gates. Each measure is a
function of a Round and returns {column: value}; COLUMNS says what a column is."""

import json
import re
import subprocess
import time

import harness
from topology import PORTS, SERVER, cpu_seconds, resident_mb

LOSS_MAX = 0.001   # of a rate that counts as carried
SETTLE = 0.3       # seconds for queues to run empty

# Column: unit and meaning.
COLUMNS = {
    "1 flow up": "Gbit/s, one TCP flow, client to server",
    "1 flow down": "Gbit/s, one TCP flow, server to client",
    "8 flows up": "Gbit/s, eight TCP flows",
    "8 flows down": "Gbit/s, eight TCP flows",
    "2 flows up": "Gbit/s, a TCP flow to each of two servers at once, sum",
    "both ways": "Gbit/s, one TCP flow each way at once, sum",
    "cpu 1 flow": "CPU-s/GB of the tunnel's processes, both ends, one flow up",
    "cpu 8 flows": "the same with eight flows up",
    "200 B": "kpps of 200-byte IP packets (UDP) with at most 0.1 % lost",
    "us/packet": "us of tunnel CPU per 200-byte packet at that rate, both ends",
    "paced": "CPU-s/GB per gateway at 20 kpps of 1200-byte packets",
    "rtt p50": "us, idle",
    "rtt p99": "us, idle",
    "loaded p50": "us, beside one TCP flow up",
    "loaded p99": "us, beside one TCP flow up",
    "memory": "MB resident, the larger of both ends, after all of it",
}


class Round:
    """One turn of one tunnel: the ground, the tunnel's processes, the length of a measurement."""

    def __init__(self, ground, driver, seconds):
        self.ground, self.driver, self.seconds = ground, driver, seconds

    def cpu(self):
        return cpu_seconds(self.driver.processes)


def iperf(round_, *options):
    """One run of iperf3 from the client; what arrived, by direction."""
    seconds = str(round_.seconds)
    end = json.loads(round_.ground.client.run(
        ["iperf3", "-c", SERVER, "-C", "cubic", "-t", seconds, "-J", *options], timeout=120))["end"]
    return [end[key] for key in ("sum_received", "sum_received_bidir_reverse") if key in end]


def gbits(received):
    return sum(part["bits_per_second"] for part in received) / 1e9


def tcp(name, *options, cpu=None):
    """The measure of one way to run iperf3."""
    def measure(round_):
        before = round_.cpu()
        received = iperf(round_, *options)
        result = {name: gbits(received)}
        if cpu and round_.driver.processes:
            used = round_.cpu() - before
            result[cpu] = used / (sum(part["bytes"] for part in received) / 1e9)
        return result
    return measure


def two_flows(round_):
    """One flow to each server: what `wanbond pinned` sends over a WAN of its own."""
    command = ["iperf3", "-c", SERVER, "-C", "cubic", "-t", str(round_.seconds), "-J"]
    runs = [round_.ground.client.popen([*command, "-p", str(port)], stdout=subprocess.PIPE,
                                       text=True) for port in PORTS]
    ends = [json.loads(run.communicate(timeout=120)[0])["end"] for run in runs]
    return {"2 flows up": gbits([end["sum_received"] for end in ends])}


def udp(round_, ip_bytes, rate, seconds):
    """Sends at this rate; (packets sent, packets that came, seconds)."""
    program = harness.program("UDP_LOAD")
    receiver = round_.ground.server.popen([program, "receive", "6000", "0.3"],
                                          stdout=subprocess.PIPE, text=True)
    receiver.stdout.readline()
    sent = json.loads(round_.ground.client.run(
        [program, "send", SERVER, "6000", str(ip_bytes - 28), str(int(rate)), str(seconds)]))
    came = json.loads(receiver.communicate(timeout=20)[0])["packets"]
    return sent["packets"], came, sent["seconds"]


def small_packets(round_):
    """Doubles the rate until more than LOSS_MAX is lost or the sender cannot, then halves the gap
    between the best and the worst until it is small."""
    good, bad, rate, cost = 0.0, None, 20_000.0, None
    is_quick = round_.seconds <= 1
    for _ in range(12):
        before = round_.cpu()
        sent, came, seconds = udp(round_, 200, rate, 0.5 if is_quick else 2)
        reached = sent / seconds
        if came >= sent * (1 - LOSS_MAX):
            good = max(good, came / seconds)
            cost = (round_.cpu() - before) / came * 1e6
        else:
            bad = rate
        if reached < rate * 0.9 or (bad and bad < good * (1.3 if is_quick else 1.08)):
            break
        rate = rate * 2 if bad is None else (good + bad) / 2
        time.sleep(SETTLE)
    result = {"200 B": good / 1e3}
    if cost and round_.driver.processes:
        result["us/packet"] = cost
    return result


def paced(round_):
    if not round_.driver.processes:
        return {}
    before = round_.cpu()
    _, came, _ = udp(round_, 1200, 20_000, round_.seconds)
    return {"paced": (round_.cpu() - before) / 2 / (came * 1200 / 1e9)} if came else {}


def pings(round_, seconds, names):
    """Round-trip times every 2 ms, in us."""
    count = str(max(50, int(seconds / 0.002)))
    done = round_.ground.client.popen(
        ["ping", "-n", "-i", "0.002", "-c", count, "-W", "1", SERVER], stdout=subprocess.PIPE,
        text=True)
    times = sorted(float(text) * 1e3
                   for text in re.findall(r"time=([\d.]+) ms", done.communicate()[0]))
    if not times:
        return {}
    return {names[0]: times[len(times) // 2], names[1]: times[len(times) * 99 // 100]}


def rtt(round_):
    return pings(round_, round_.seconds, ("rtt p50", "rtt p99"))


def rtt_loaded(round_):
    load = round_.ground.client.popen(
        ["iperf3", "-c", SERVER, "-C", "cubic", "-t", str(round_.seconds + 2)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    result = pings(round_, round_.seconds, ("loaded p50", "loaded p99"))
    load.wait(60)
    return result


def memory(round_):
    return {"memory": resident_mb(round_.driver.processes)} if round_.driver.processes else {}


# In the order in which they run.
MEASURES = {
    "rtt": rtt,
    "tcp1up": tcp("1 flow up", cpu="cpu 1 flow"),
    "tcp1down": tcp("1 flow down", "-R"),
    "tcp2up": two_flows,
    "tcp8up": tcp("8 flows up", "-P", "8", cpu="cpu 8 flows"),
    "tcp8down": tcp("8 flows down", "-P", "8", "-R"),
    "both": tcp("both ways", "--bidir"),
    "small": small_packets,
    "paced": paced,
    "loaded": rtt_loaded,
    "memory": memory,
}


def start_server(ground):
    """iperf3's, for all rounds."""
    for port in PORTS:
        ground.start(ground.server, ["iperf3", "-s", "-p", str(port)], f"iperf3-{port}")
    harness.wait_for(lambda: all(f":{port} " in ground.server.run(["ss", "-ltn"])
                                 for port in PORTS), 5, "iperf3 listens")
