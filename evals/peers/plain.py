"""One process for one model: what somebody would write who wants the same check without a fork server.

    python plain.py SKILLSET_FOLDER

It imports the libraries, makes the small random model, runs the reference on as many input sets as the judge does,
exports to ONNX with the exporter and the settings of the skillset, runs ONNX Runtime, converts for OpenVINO, runs it,
and compares both with the reference. It has no sandbox, checks no evidence, and runs PyTorch once only.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import numpy as np

Arrays = dict[str, np.ndarray]
#: As in the judge's table of tolerances for float32, which is what all outputs here are.
ABSOLUTE, RELATIVE = 1e-5, 1e-3


def main(folder: Path) -> None:
    skillset = load(folder)
    sets = draw(skillset)
    with skillset.load("torch-cpu") as model:
        references = [model.infer(**inputs) for inputs in sets]
    with tempfile.TemporaryDirectory() as work:
        onnx = Path(work, "onnx", skillset.build("onnxruntime", Path(work, "onnx"))["main"])
        with skillset.load("onnxruntime", artefact=onnx) as model:
            compare("onnxruntime", references, [model.infer(**inputs) for inputs in sets])
        reads = "onnx" in inspect.signature(skillset.build).parameters
        made = skillset.build("openvino", Path(work, "openvino"), **({"onnx": onnx} if reads else {}))
        with skillset.load("openvino", artefact=Path(work, "openvino", made["main"])) as model:
            compare("openvino", references, [model.infer(**inputs) for inputs in sets])


def load(folder: Path) -> ModuleType:
    """Imports a skillset's package from its folder."""
    for name, file in (("skillset", "__init__.py"), ("skillset.skillset", "skillset.py")):
        spec = importlib.util.spec_from_file_location(name, folder / file, submodule_search_locations=[str(folder)])
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return module


def draw(skillset: ModuleType) -> list[Arrays]:
    """An example, one of another batch where that is free, and one more for each input, in which it alone differs."""
    with skillset.load("torch-cpu") as model:
        free = getattr(skillset, "FREE", {})
        example, other = model.example_inputs(), model.example_inputs(seed=1)
        if "batch" in free:
            other = model.example_inputs(batch=free["batch"], seed=1)
        redrawn = model.example_inputs(seed=2)
    return [example, other, *({**example, name: redrawn[name]} for name in example)]


def compare(backend: str, references: list[Arrays], outputs: list[Arrays]) -> None:
    """Fails where an output is missing, is not finite or lies too far away."""
    for name in references[0]:
        known = [reference[name] for reference in references]
        spread = max(array.max() for array in known) - min(array.min() for array in known)
        for reference, output in zip(known, (output[name] for output in outputs), strict=True):
            difference = np.abs(reference.astype(np.float64) - output.astype(np.float64)).max()
            if reference.shape != output.shape or not difference <= ABSOLUTE + RELATIVE * float(spread):
                raise SystemExit(f"{backend}: {name} differs by {difference} on a spread of {spread}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
