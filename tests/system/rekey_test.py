"""New keys under traffic cost nothing."""

import harness
from harness import Flow
from sites import TUNNEL, TwoSites


def test_rekey_under_traffic():
    """keys change every 3 s under streams both ways, and not a packet is lost"""
    with TwoSites() as bench:
        bench.up(WANBOND_REKEY_AFTER="3s")
        for node in (bench.branch, bench.hq):
            node.wait_selected("fiber")
        options = {"rate": 500 * 1000 * 8 / 1e6, "size": 1000, "seconds": 12}
        flows = [Flow(bench, bench.branch_site, bench.hq_site, TUNNEL["hq"][0], "udp", **options),
                 Flow(bench, bench.hq_site, bench.branch_site, TUNNEL["branch"][0], "udp",
                      **options)]
        for name, flow in zip(("branch to hq", "hq to branch"), flows):
            result = flow.result()
            print(f"  {name}: {result['lost']} of {result['sent']} lost, {result['reordered']} "
                  f"reordered, longest gap {result['longest_gap_ms']:.1f} ms, delay up to "
                  f"{result['delay_ms']['max']:.1f} ms")
            assert (result["sent"], result["lost"], result["duplicates"]) == (6000, 0, 0), result
        for node in (bench.branch, bench.hq):
            changes = node.events("keys_changed")
            print(f"  {node.name}: {len(changes)} times new keys; dropped: {node.drops()}")
            assert len(changes) >= 4, changes
            assert not node.downs("fiber"), node.events()
            assert not {"bad_tag", "expired", "unknown_connection", "replayed"} \
                & node.drops().keys(), node.drops()


if __name__ == "__main__":
    harness.main()
