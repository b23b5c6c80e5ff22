"""Measures a sweep beside its peers on the same types. `README.md` has the command, and what is measured.

What was measured is kept in the cache folder, one file each; a comparison that was cut off goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cases
import table
from sides import Failed, Sides, measured

HERE = Path(__file__).parent
#: Seconds between two looks at which rows the sweep has finished.
INTERVAL = 10


def main() -> None:
    options = arguments()
    sides = Sides(options.portwright, options.python, options.uv, options.cache.resolve())
    names = listed(options.types)
    plan = [names, *([listed(options.again)] if options.again else [])]
    note("preparing the environment of optimum")
    sides.prepare()
    rounds = []
    for number, types in enumerate(plan, start=1):
        folder = sides.cache / f"round-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        rounds.append(one_round(sides, types, folder, options.jobs, f"round {number}"))
    document = table.document(names, options.count, rounds)
    options.output.write_text(json.dumps(document, indent=1) + "\n")
    print(table.markdown(document), end="")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures a sweep beside its peers on the same types.")
    parser.add_argument("--portwright", required=True, help="the program, as `cargo build --release` makes it")
    parser.add_argument("--python", required=True, help="the Python of Portwright's environment, as `doctor` names it")
    parser.add_argument("--uv", default="uv", help="builds the environment of optimum")
    parser.add_argument("--cache", type=Path, required=True, help="the folder for all that is made")
    parser.add_argument("--types", type=Path, default=HERE / "types.txt", help="a type per line, in order")
    parser.add_argument("--count", type=int, default=20, help="compare so many: the first that all sides finished")
    parser.add_argument("--again", type=Path, help="a file like that of --types: measure these a second time")
    parser.add_argument("--jobs", type=int, default=1, help="peers at once, beside the sweep")
    parser.add_argument("--output", type=Path, default=Path("peers.json"), help="the file for the JSON document")
    return parser.parse_args()


def listed(file: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in file.read_text().splitlines())
    return [line for line in lines if line]


def one_round(sides: Sides, names: list[str], folder: Path, jobs: int, title: str) -> dict:
    """A sweep, and beside it the peers, each type as soon as the sweep has judged it.

    Returns:
        ``sweep`` (what the whole of it cost), ``rows`` (its rows by name), ``peers`` (by name the cost of ``optimum``
        and ``plain``, or the sentence ``left_out``) and ``start`` (what the imports alone cost each of them).
    """
    ledger = folder / "ledger"
    if not (folder / "sweep.json").exists():
        # One that was cut off would go on where it stopped, and cost too little.
        shutil.rmtree(ledger, ignore_errors=True)
    with ThreadPoolExecutor(jobs + 1) as pool:
        # Not every type may pass, which makes the exit code 1.
        sweep = pool.submit(kept, folder / "sweep.json", partial(measured, sides.sweep(names, ledger), (0, 1)))
        start = {
            side: pool.submit(kept, folder / f"start-{side}.json", partial(measured, command))
            for side, command in sides.imports().items()
        }
        peers: dict[str, Future] = {}
        ended = False
        while not ended:
            ended = sweep.done()
            rows = sides.report(ledger) if ended or peers or begun(sides, ledger) else {}
            for name in names:
                if name in rows and rows[name]["cells"] and name not in peers:
                    note(f"{title}: {name} has been swept, {len(peers) + 1} of {len(names)}")
                    peers[name] = pool.submit(against, sides, rows[name], ledger, folder / "types" / name)
            if not ended:
                time.sleep(INTERVAL)
        return {
            "sweep": sweep.result(),
            "rows": {name: rows[name] for name in names},
            "peers": {name: future.result() for name, future in peers.items()},
            "start": {side: future.result() for side, future in start.items()},
        }


def begun(sides: Sides, ledger: Path) -> bool:
    """Whether there is a sweep to report on yet."""
    try:
        sides.report(ledger)
    except Failed:
        return False
    return True


def against(sides: Sides, row: dict, ledger: Path, folder: Path) -> dict:
    """Both peers on one type."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        skillset = cases.skillset(row, ledger, folder / "skillset")
        case = cases.case(row, skillset)
        (folder / "case.json").write_text(json.dumps(case))
        checkpoint, exported = folder / "checkpoint", folder / "exported"
        step = "the checkpoint under optimum's Transformers"
        if not checkpoint.exists():
            sides.save_checkpoint(folder / "case.json", checkpoint)
        step = "optimum"
        optimum = kept(folder / "optimum.json", partial(measured, sides.export(checkpoint, case["task"], exported)))
        step = "the process per model"
        plain = kept(folder / "plain.json", partial(measured, sides.plain(skillset)))
    except cases.LeftOut as reason:
        return {"left_out": str(reason)}
    except Failed as failure:
        return {"left_out": f"{step} failed: {failure}"}
    shutil.rmtree(exported, ignore_errors=True)
    return {"optimum": optimum, "plain": plain}


def kept(file: Path, measure: Callable[[], dict]) -> dict:
    """A measurement, from its file where it was made before."""
    if not file.exists():
        found = measure()
        part = file.with_suffix(".part")
        part.write_text(json.dumps(found))
        os.replace(part, file)
    return json.loads(file.read_text())


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
