"""A branch behind nftables masquerade, and a NAT box that forgets and takes other ports."""

import harness
from harness import Flow
from sites import TUNNEL, TwoSites, Wan


def wans(*names):
    return [Wan(name, {"delay": f"{delay}ms"}, nat=True)
            for name, delay in zip(names, (10, 15, 20))]


def rebind(bench, wan):
    """hq finds the branch at its new port, and neither side takes the path for dead."""
    before = bench.hq.path(wan)
    bench.rebind(wan)

    def moved():
        return bench.hq.path(wan)["remote"] != before["remote"]
    harness.wait_for(moved, 5, f"hq sees {wan} at another port")
    path = bench.hq.path(wan)
    print(f"  {wan}: {before['remote']} is now {path['remote']}")
    # In use, it is given up after 80 ms; the new address takes a round trip and a half.
    assert path["id"] == before["id"] and path["downs"] - before["downs"] <= 1, path
    assert path["name"] == before["name"], "a path keeps its name over a rebinding"


def test_rebinding_under_traffic():
    """every NAT box rebinds, one after the other; streams both ways and a transfer go on"""
    with TwoSites(wans("fiber", "lte", "dsl")) as bench:
        bench.up()
        assert bench.hq.path("fiber")["remote"].startswith("10.200.0.1:20"), bench.hq.peer()
        streams = [Flow(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][0], "udp",
                        rate=1, size=500, seconds=6),
                   Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "udp",
                        rate=1, size=500, seconds=6)]
        transfer = bench.transfer(5_000_000)
        for wan in ("fiber", "lte", "dsl"):
            rebind(bench, wan)
        for name, stream in zip(("branch to hq", "hq to branch"), streams):
            result = stream.result()
            print(f"  {name}: {result['lost']} of {result['sent']} lost, longest gap "
                  f"{result['longest_gap_ms']:.0f} ms")
            assert result["longest_gap_ms"] < 300 and result["lost"] < 75, result
        assert transfer.result()["intact"]
        assert len(bench.hq.events("keys_changed")) == 1, "the session went on"
        bench.wait_up()


def test_only_path_rebinds():
    """with one WAN, too: the session survives"""
    with TwoSites(wans("fiber")) as bench:
        bench.up()
        flow = Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "udp", rate=1,
                    size=500, seconds=3)
        rebind(bench, "fiber")
        result = flow.result()
        print(f"  hq to branch: {result['lost']} of {result['sent']} lost, longest gap "
              f"{result['longest_gap_ms']:.0f} ms")
        assert result["longest_gap_ms"] < 500, result
        assert len(bench.hq.events("keys_changed")) == 1, bench.hq.events()


if __name__ == "__main__":
    harness.main()
