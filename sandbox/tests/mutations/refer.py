"""Runs the job of the reference on the mutated model as it is when nothing is planted: `refer.py INPUTS OUT`.

Below OUT: `reference/` with what the job leaves, and `ran.json` with what it answers. OUT holds `sets.json`, which
names the input files.
"""

import json
import os
import sys
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(HERE, "..", "..", "python")]

from mutations import model  # noqa: E402

from portwright_worker import models  # noqa: E402
from portwright_worker.jobs import reference  # noqa: E402


def main(_: str, out: str) -> None:
    # This model in the place of one of the library; all else is the job itself.
    models.load = lambda plan, source, checkpoint: model.Model().eval()
    with open(os.path.join(HERE, "plan.toml"), "rb") as file:
        plan = tomllib.load(file)
    with open(os.path.join(out, "sets.json"), encoding="utf-8") as file:
        sets = json.load(file)
    job = {"plan": {"call": {}, **plan}, "source": None, "checkpoint": None, "branches": True, **sets}
    ran = reference.run(job, os.path.join(out, "reference"))
    with open(os.path.join(out, "ran.json"), "w", encoding="utf-8") as file:
        json.dump(ran, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
