"""What the namespace bench can put between the two gates: one class per tunnel, each a few lines.

A driver has a `name`, `missing()` (why it cannot run here, or None), `start(ground)` and, once that
returned, `processes`: those whose time and memory are counted. Everything is stopped by
`stop(ground)`. All use an inner MTU of 1420 but those that cannot.
"""

import base64
import os
import shutil
import socket
import subprocess

import harness
import topology
from sites import Node
from topology import LAN, WAN, WAN2, other

PORT = 51900


class Driver:
    """A tunnel that is there when its program is."""
    name = program = None

    def __init__(self):
        self.processes = []

    def missing(self):
        return None if shutil.which(self.program) else f"no {self.program} on this machine"

    def stop(self, ground):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes = []
        ground.unroute()

    def run(self, ground, side, command, **options):
        log = f"{self.name}-{side}".replace(" ", "-")
        process = ground.start(ground.gates[side], command, log, **options)
        self.processes.append(process)
        return process

    @staticmethod
    def use(ground, side, device, mtu=None):
        """Once the device is there: up, and the way to the far LAN."""
        def is_there():
            return subprocess.run(["ip", "-n", ground.gates[side].name, "link", "show", device],
                                  capture_output=True).returncode == 0
        harness.wait_for(is_there, 10, f"{device} of gate {side}")
        size = ("mtu", str(mtu)) if mtu else ()
        ground.gates[side].ip("link", "set", device, *size, "up")
        ground.route(side, "dev", device)


class Raw(Driver):
    """No tunnel: the WAN routes between the LANs."""
    name = "raw"

    def missing(self):
        return None

    def start(self, ground):
        for side in "ab":
            ground.route(side, "via", topology.ROUTER[side])


class Wanbond(Driver):
    """wanbond with an environment of its own."""

    def __init__(self, name, program="WANBOND", **environment):
        super().__init__()
        self.name, self.variable, self.environment = name, program, environment

    def missing(self):
        path = os.environ.get(self.variable)
        return None if path and os.access(path, os.X_OK) else f"{self.variable} is not set"

    def start(self, ground):
        variable = self.variable

        class Gate(Node):
            @staticmethod
            def program():
                return harness.program(variable)

        gates = {side: Gate(ground, ground.gates[side], f"{self.name}-{side}".replace(" ", "-"))
                 for side in "ab"}
        for side, gate in gates.items():
            gate.config = self.config(ground, side, gate, gates[other(side)].public_key)
            gate.start(**self.environment)
            self.processes.append(gate.process)
        for gate in gates.values():
            gate.wait_up(self.wans)

    wans = ["w"]

    @staticmethod
    def config(ground, side, gate, peer_key):
        """What the gate of this side is configured with."""
        return [("Interface", {"PrivateKey": gate.key_file, "ListenPort": PORT,
                               "Address": f"10.77.0.{ord(side) - 96}/32",
                               "Device": "tunnel", "User": "root",
                               "ControlSocket": ground.folder / f"{gate.name}.sock"}),
                ("Wan w", {"Device": "wan"}),
                ("Peer other", {"PublicKey": peer_key, "Endpoint": f"{WAN[other(side)]}:{PORT}",
                                "AllowedIPs": f"{LAN[other(side)]}.0/24"})]


class Pinned(Wanbond):
    """wanbond with two WANs, the flows to iperf3's first server on one, to its second on the
    other."""
    wans = ["w", "w2"]

    @staticmethod
    def config(ground, side, gate, peer_key):
        interface, wan, (_, peer) = Wanbond.config(ground, side, gate, peer_key)
        ends = [f"{own[other(side)]}:{PORT}" for own in (WAN, WAN2)]
        peer = {**peer, "Endpoint": ", ".join(ends),
                "Paths": f"w>{ends[0]}, w2>{ends[1]}"}
        direction = "dport" if side == "a" else "sport"
        rules = [(f"Rule to-{name}", {"Match": f"proto=tcp {direction}={port}", "Mode": "pinned",
                                      "Wans": name})
                 for name, port in zip(Pinned.wans, topology.PORTS)]
        return [interface, wan, ("Wan w2", {"Device": "wan2"}), ("Peer other", peer), *rules]


class WireguardGo(Driver):
    """wireguard-go, told its keys through its own socket."""
    name = program = "wireguard-go"

    def start(self, ground):
        keys = {}
        for side in "ab":
            secret = harness.run([harness.program("WANBOND"), "genkey"])
            public = harness.run([harness.program("WANBOND"), "pubkey"], input=secret)
            keys[side] = [base64.b64decode(text).hex() for text in (secret, public)]
        for side in "ab":
            device = f"wbb{os.getpid()}{side}"  # its socket's name is one for all namespaces
            self.run(ground, side, [self.program, "-f", device],
                     env={**os.environ, "LOG_LEVEL": "error"})
            self.use(ground, side, device, 1420)
            request = (f"set=1\nprivate_key={keys[side][0]}\nlisten_port={PORT}\n"
                       f"public_key={keys[other(side)][1]}\n"
                       f"endpoint={WAN[other(side)]}:{PORT}\n"
                       f"allowed_ip={LAN[other(side)]}.0/24\n\n")
            with socket.socket(socket.AF_UNIX) as control:
                control.connect(f"/var/run/wireguard/{device}.sock")
                control.sendall(request.encode())
                assert b"errno=0" in control.recv(4096)


class OpenVpn(Driver):
    """OpenVPN between two peers, without its kernel module: AES-256-GCM, fresh certificates."""
    name = program = "openvpn"

    def missing(self):
        return super().missing() or (None if shutil.which("openssl") else "no openssl for its keys")

    def start(self, ground):
        prints = {}
        for side in "ab":
            base = ground.folder / f"openvpn-{side}"
            harness.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                         f"/CN={side}", "-keyout", f"{base}.key", "-out", f"{base}.crt"])
            text = harness.run(["openssl", "x509", "-in", f"{base}.crt", "-noout", "-fingerprint",
                                "-sha256"])
            prints[side] = text.strip().split("=", 1)[1]
        for side, role in (("b", "--tls-server"), ("a", "--tls-client")):
            base = ground.folder / f"openvpn-{side}"
            self.run(ground, side, [
                "openvpn", "--dev", "ovpn", "--dev-type", "tun", "--proto", "udp", "--local",
                WAN[side], "--remote", WAN[other(side)], str(PORT), "--lport", str(PORT), role,
                "--dh", "none", "--cert", f"{base}.crt", "--key", f"{base}.key",
                "--peer-fingerprint", prints[other(side)], "--data-ciphers", "AES-256-GCM",
                "--disable-dco", "--tun-mtu", "1420", "--ifconfig", f"10.78.0.{ord(side) - 96}",
                f"10.78.0.{ord(other(side)) - 96}", "--sndbuf", "4194304", "--rcvbuf", "4194304"])
        for side in "ab":
            self.use(ground, side, "ovpn")


class Fastd(Driver):
    """fastd in its fastest mode."""
    name = program = "fastd"

    def start(self, ground):
        keys = {}
        for side in "ab":
            lines = harness.run(["fastd", "--generate-key", "--machine-readable"]).split()
            public = harness.run(["fastd", "--show-key", "--machine-readable", "--config", "-"],
                                 input=f'secret "{lines[0]}";').strip()
            keys[side] = (lines[0], public)
        for side in "ab":
            config = ground.folder / f"fastd-{side}.conf"
            config.write_text(
                f'mode tun; interface "fd0"; mtu 1420; method "salsa2012+umac";\n'
                f'bind {WAN[side]}:{PORT}; secret "{keys[side][0]}"; log level error;\n'
                f'peer "other" {{ key "{keys[other(side)][1]}"; '
                f'remote ipv4 "{WAN[other(side)]}" port {PORT}; }}\n')
            self.run(ground, side, ["fastd", "--config", str(config)])
            self.use(ground, side, "fd0")


def all_drivers():
    """Fresh ones, in the order in which they take turns."""
    return [Raw(), Wanbond("wanbond io_uring", WANBOND_IO="uring"),
            Wanbond("wanbond epoll", WANBOND_IO="epoll"),
            Pinned("wanbond pinned", WANBOND_IO="uring"),
            Wanbond("wanbond sodium", WANBOND_IO="epoll", WANBOND_AEAD="sodium"),
            Wanbond("wanbond null", program="WANBOND_NULL", WANBOND_IO="epoll"),
            Wanbond("wanbond naive", WANBOND_IO="epoll", WANBOND_AEAD="sodium",
                    WANBOND_OFFLOADS="off"),
            WireguardGo(), OpenVpn(), Fastd()]
