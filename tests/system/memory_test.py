"""Memory of a node: with one peer after traffic, and of a hub with a thousand idle peers."""

import base64
import os

import harness
import sites

ONE_PEER_KB = 64 << 10
THOUSAND_PEERS_KB = 256 << 10
FAST = sites.Wan("fast", {"delay": "1ms"})
# meson has malloc fill what it gives, which makes every page of the pool resident.
AS_USERS_RUN_IT = {"MALLOC_PERTURB_": "0"}


def test_one_peer():
    """a node with one peer stays below 64 MB after a transfer of 100 MB"""
    for environment in ({}, {"WANBOND_IO": "epoll"}):
        with sites.TwoSites([FAST]) as bench:
            bench.up(**environment, **AS_USERS_RUN_IT)
            assert bench.transfer(100_000_000).result()["intact"]
            for node in (bench.branch, bench.hq):
                assert node.memory_kb() < ONE_PEER_KB, f"{node.name}: {node.memory_kb()} kB"
            print(f"{environment}: {bench.branch.memory_kb()} and {bench.hq.memory_kb()} kB")


def test_thousand_peers():
    """a hub with a thousand idle peers stays below 256 MB and serves the one that calls"""
    with sites.TwoSites([FAST]) as bench:
        for number in range(1000):
            bench.hq.config.append((f"Peer idle-{number}", {
                "PublicKey": base64.b64encode(os.urandom(32)).decode(),
                "AllowedIPs": f"10.{100 + number // 256}.{number % 256}.0/24"}))
        bench.hq.start(**AS_USERS_RUN_IT)
        bench.branch.start()
        harness.wait_for(lambda: (bench.hq.peer("branch") or {}).get("state") == "up", 20,
                         "the peer that calls is up")
        assert bench.transfer(20_000_000).result()["intact"]
        assert bench.hq.memory_kb() < THOUSAND_PEERS_KB, f"{bench.hq.memory_kb()} kB"
        print(f"1000 peers: {bench.hq.memory_kb()} kB")


if __name__ == "__main__":
    harness.main()
