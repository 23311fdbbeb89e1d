"""Results of the namespace bench as tables: {wire: {tunnel: {column: [value of each round]}}}."""

import statistics

from measures import COLUMNS

RIVALS = ("wireguard-go", "raw", "wanbond naive", "wanbond null")


def number(value):
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values):
    """Median, and the extremes where there are several."""
    text = number(statistics.median(values))
    return text if len(values) < 2 else f"{text} [{number(min(values))}–{number(max(values))}]"


def table(head, rows):
    """Markdown; rows of equal length."""
    lines = ["| " + " | ".join(row) + " |" for row in [head, *rows]]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def value_table(tunnels):
    columns = [column for column in COLUMNS if any(column in row for row in tunnels.values())]
    rows = [[name, *(spread(row[column]) if row.get(column) else "–" for column in columns)]
            for name, row in tunnels.items()]
    return table(["", *columns], rows)


def ratios(mine, theirs):
    """Round by round, so that what slows a round down slows both."""
    return [a / b for a, b in zip(mine, theirs) if b]


def ratio_table(tunnels, rival):
    """Every tunnel's value over the rival's; round-trip times less those of raw."""
    columns = [column for column in COLUMNS if tunnels[rival].get(column)]
    rows = []
    for name, row in tunnels.items():
        if name != rival:
            rows.append([name, *(spread(ratios(row[column], tunnels[rival][column]))
                                 if row.get(column) and ratios(row[column], tunnels[rival][column])
                                 else "–" for column in columns)])
    return table([f"times {rival}", *columns], rows)


def less_raw(tunnels):
    """The same with round-trip times that the tunnel adds to raw's."""
    raw = tunnels.get("raw", {})
    added = {}
    for name, row in tunnels.items():
        added[name] = {column: [max(0.1, a - b) for a, b in zip(values, raw[column])]
                       if "p50" in column and raw.get(column) and name != "raw" else values
                       for column, values in row.items()}
    return added


def report(results):
    """All of it, as markdown."""
    parts = []
    for wire, tunnels in results.items():
        parts += [f"### {wire}", value_table(tunnels)]
        added = less_raw(tunnels)
        for rival in RIVALS:
            if rival in tunnels and len(tunnels) > 1:
                parts.append(ratio_table(added if rival != "raw" else tunnels, rival))
    used = {column for tunnels in results.values() for row in tunnels.values() for column in row}
    legend = [f"- {column}: {COLUMNS[column]}" for column in COLUMNS if column in used]
    return "\n\n".join([*parts, "\n".join(legend)]) + (
        "\n- in the ratios the p50 columns are what a tunnel adds to raw\n")
