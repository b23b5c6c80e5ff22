"""Saves the small random model of a skillset under another release of Transformers.

    python save_checkpoint.py CASE.json FOLDER

The case has the `model_type`, the `class` and the `config` values that differ from the defaults. The class and its
defaults are those of the release that is installed where this runs; the sizes are the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(case: Path, folder: Path) -> None:
    import torch
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    values = json.loads(case.read_text())
    config = CONFIG_MAPPING[values["model_type"]](**values["config"])
    torch.manual_seed(0)
    getattr(transformers, values["class"])(config).eval().save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
