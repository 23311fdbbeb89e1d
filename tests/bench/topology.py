"""The ground of the namespace bench: five namespaces in a row, joined by veth pairs, routed.

    client -- gate_a == wan == gate_b -- server

client is 10.1.0.10, server 10.2.0.10; the gates have 10.1.0.1 and 10.2.0.1 on the LAN side and
10.200.1.1 and 10.200.2.1 on the WAN side, 10.201.1.1 and 10.201.2.1 on a second WAN. Whatever
carries 10.1.0.0/24 and 10.2.0.0/24 between the gates is measured: a route (raw), or a tunnel.
"""

import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

import harness  # noqa: E402

CLIENT, SERVER = "10.1.0.10", "10.2.0.10"
WAN = {"a": "10.200.1.1", "b": "10.200.2.1"}
WAN2 = {"a": "10.201.1.1", "b": "10.201.2.1"}
ROUTER = {"a": "10.200.1.2", "b": "10.200.2.2"}
ROUTER2 = {"a": "10.201.1.2", "b": "10.201.2.2"}
LAN = {"a": "10.1.0", "b": "10.2.0"}
PORTS = (5201, 5202)  # of iperf3's servers
TICKS = os.sysconf("SC_CLK_TCK")


def other(side):
    return "b" if side == "a" else "a"


class Ground(harness.Bench):
    """The namespaces; `gates` by side, "a" and "b"."""

    def __init__(self):
        super().__init__()
        self.started = set()  # as sites.NodeBench: who may be asked for a report
        try:
            self.client, self.server, self.wan = map(self.namespace, ("client", "server", "wan"))
            self.gates = {side: self.namespace(f"gate-{side}") for side in "ab"}
            for side, host in (("a", self.client), ("b", self.server)):
                self._join(side, host)
            self.wan.write("/proc/sys/net/ipv4/ip_forward", "1")
        except BaseException:
            self.close()
            raise

    def _join(self, side, host):
        gate, lan = self.gates[side], LAN[side]
        self.veth(gate, "lan", host, "eth0")
        for device, own, router in (("wan", WAN, ROUTER), ("wan2", WAN2, ROUTER2)):
            far = f"{device}-{side}"
            self.veth(gate, device, self.wan, far)
            gate.ip("address", "add", f"{own[side]}/24", "dev", device)
            self.wan.ip("address", "add", f"{router[side]}/24", "dev", far)
            gate.ip("route", "add", own[other(side)] + "/32", "via", router[side])
        gate.ip("address", "add", f"{lan}.1/24", "dev", "lan")
        host.ip("address", "add", f"{lan}.10/24", "dev", "eth0")
        host.ip("route", "add", "default", "via", f"{lan}.1")
        self.wan.ip("route", "add", f"{lan}.0/24", "via", WAN[side])
        gate.write("/proc/sys/net/ipv4/ip_forward", "1")

    def cut_trains(self, cut):
        """Whether the WAN's devices take single packets only, as without segmentation offload."""
        segments = "1" if cut else "65535"
        for side, gate in self.gates.items():
            for device in ("wan", "wan2"):
                gate.ip("link", "set", device, "gso_max_segs", segments)
                self.wan.ip("link", "set", f"{device}-{side}", "gso_max_segs", segments)

    def route(self, side, *via):
        """Sends the far LAN that way, `dev tun0` or `via ...`."""
        self.gates[side].ip("route", "replace", f"{LAN[other(side)]}.0/24", *via)

    def unroute(self):
        for side, gate in self.gates.items():
            try:
                gate.ip("route", "del", f"{LAN[other(side)]}.0/24")
            except RuntimeError:
                pass  # it went with its device


def cpu_seconds(processes):
    """User and system time of these processes, dead threads included."""
    used = 0
    for process in processes:
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICKS


def resident_mb(processes):
    """The most that any of them holds in memory."""
    most = 0
    for process in processes:
        with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
            most = max(most, int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6)
    return most
