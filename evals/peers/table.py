"""The comparison as a document and as a page: per type, in sum, and how far repetitions lie apart.

The figures are those of the first round. Later rounds may repeat fewer types, and say how far a repetition lies away.
"""

from __future__ import annotations

from statistics import median

PEERS = ("plain", "optimum")


def document(names: list[str], count: int, rounds: list[dict]) -> dict:
    """Concludes from the rounds, in the order of the names.

    Args:
        names: All types that were tried.
        count: Compare so many: the first that every side finished.
        rounds: For each round ``sweep``, ``rows``, ``peers`` and ``start``, as `compare.one_round` gives them.
    """
    first = rounds[0]
    left_out = {name: cost["left_out"] for name, cost in first["peers"].items() if "left_out" in cost}
    compared = [name for name in names if name in first["peers"] and name not in left_out]
    for name in compared[count:]:
        left_out[name] = f"{count} come before it"
    compared = compared[:count]
    per_type = {
        name: {"portwright": jobs(first["rows"][name])}
        | {side: first["peers"][name][side]["cpu_seconds"] for side in PEERS}
        for name in compared
    }
    # The server's start, the supervisors, the main process and the runtimes that no job's clock sees: all of it counts,
    # that of the types that are left out as well.
    shared = first["sweep"]["cpu_seconds"] - sum(jobs(row) for row in first["rows"].values())
    total = {side: sum(costs[side] for costs in per_type.values()) for side in ("portwright", *PEERS)}
    total["portwright"] += shared
    return {
        "schema": 1,
        "compared": compared,
        "left_out": left_out,
        "cpu_seconds": per_type,
        "shared_cpu_seconds": round(shared, 3),
        "total_cpu_seconds": {side: round(seconds, 3) for side, seconds in total.items()},
        "ratio": {side: round(total[side] / total["portwright"], 3) for side in PEERS},
        "start_cpu_seconds": {side: first["start"][side]["cpu_seconds"] for side in PEERS},
        "peak_bytes": memory(first, compared),
        "main_process_bytes": first["sweep"]["first_process_bytes"],
        "spread": spread(per_type, rounds[1:]),
    }


def jobs(row: dict) -> float:
    """The CPU seconds of a type's jobs in the sweep."""
    return sum(row["cpu_seconds"].values())


def memory(first: dict, compared: list[str]) -> dict[str, int]:
    """The most memory that a whole tree of processes had at once, over all types."""
    peaks = {side: max(first["peers"][name][side]["peak_bytes"] for name in compared) for side in PEERS}
    return {"portwright": first["sweep"]["peak_bytes"], **peaks}


def spread(per_type: dict[str, dict], later: list[dict]) -> dict[str, dict]:
    """How far the repetitions lie from the first round, as a share of it, per type: median, largest, and how many."""
    found = {}
    for side in ("portwright", *PEERS):
        apart = []
        for again in later:
            for name, costs in per_type.items():
                peers = again["peers"].get(name, {"left_out": "not repeated"})
                if "left_out" not in peers:
                    seconds = jobs(again["rows"][name]) if side == "portwright" else peers[side]["cpu_seconds"]
                    apart.append(abs(seconds / costs[side] - 1))
        if apart:
            found[side] = {
                "median": round(median(apart), 3),
                "largest": round(max(apart), 3),
                "repetitions": len(apart),
            }
    return found


def markdown(document: dict) -> str:
    """The page."""
    total, ratio, peak = document["total_cpu_seconds"], document["ratio"], document["peak_bytes"]
    lines = [
        "| CPU seconds | ours | process per model | `optimum-cli` | process / ours | `optimum-cli` / ours |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, costs in document["cpu_seconds"].items():
        lines.append(_line(f"`{name}`", costs, costs))
    lines.append(f"| shared by all types | {document['shared_cpu_seconds']:.1f} | | | | |")
    lines.append(_line(f"**sum of {len(document['compared'])}**", total, total, ratio))
    start = document["start_cpu_seconds"]
    lines.append(f"| of which imports alone, per type | | {start['plain']:.1f} | {start['optimum']:.1f} | | |")
    mib = {side: f"{size / 2**20:.0f} MiB" for side, size in peak.items()}
    lines.append(f"| largest memory of the tree | {mib['portwright']} | {mib['plain']} | {mib['optimum']} | | |")
    lines.append("")
    lines.append(f"The main process of Portwright had {document['main_process_bytes'] / 2**20:.0f} MiB at most.")
    for side, apart in document["spread"].items():
        lines.append(
            f"Repetitions of {side} lie {apart['median']:.0%} from the first in the median and {apart['largest']:.0%} "
            f"at most, over {apart['repetitions']}."
        )
    if document["left_out"]:
        lines += ["", "Left out:", ""]
        lines += [f"- `{name}`: {reason}" for name, reason in document["left_out"].items()]
    return "\n".join(lines) + "\n"


def _line(title: str, costs: dict, against: dict, ratio: dict | None = None) -> str:
    ratio = ratio or {side: against[side] / against["portwright"] for side in PEERS}
    seconds = " | ".join(f"{costs[side]:.1f}" for side in ("portwright", *PEERS))
    return f"| {title} | {seconds} | {ratio['plain']:.1f} | {ratio['optimum']:.1f} |"
