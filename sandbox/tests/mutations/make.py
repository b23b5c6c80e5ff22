"""Makes the artefacts of the mutated model in every format: `make.py INPUTS OUT WHICH`.

Below OUT: `faults.json` with what is planted, and a folder for each fault with `model.onnx`, `model.xml` and the
package `skillset/`. WHICH is `short`, `all`, or a part of the names of those that are made.
"""

import json
import logging
import os
import shutil
import sys
import warnings

import onnx
import openvino
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from mutations import faults, model  # noqa: E402


class Listed(torch.nn.Module):
    """The model with its outputs in a list, as an exporter wants them."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = {name: it for name, it in self.inner(*inputs).items() if isinstance(it, torch.Tensor)}
        self.names = list(found)
        return tuple(found.values())


def export(fault: faults.Fault, path: str) -> None:
    generator = torch.Generator().manual_seed(7)
    example = (
        torch.randint(10, 50, (2, 8), generator=generator),
        torch.ones(2, 8, dtype=torch.long),
        torch.rand(2, 8, 4, generator=generator),
        torch.randn(2, 8, 3, generator=generator),
    )
    example[1][1, 5:] = 0
    listed = Listed(model.Model(fault.places).eval())
    with torch.no_grad():
        listed(*example)
        torch.onnx.export(
            listed,
            example,
            path,
            input_names=list(model.INPUTS),
            output_names=listed.names,
            dynamic_axes={name: {0: "batch", 1: "sequence"} for name in model.INPUTS},
            opset_version=18,
            dynamo=False,
        )
    if "onnx" in fault.places:
        onnx.save(fault.places["onnx"](onnx.load(path)), path)
    if "file" in fault.places:
        fault.places["file"](path)


def make(fault: faults.Fault, folder: str) -> None:
    os.makedirs(folder)
    if faults.TORCH[0] in fault.formats:
        package = os.path.join(folder, "skillset")
        os.makedirs(package)
        for name in ("model.py", "planted.py", "faults.py", "faults_of_form.py"):
            shutil.copy(os.path.join(HERE, name), package)
        shutil.copy(os.path.join(HERE, "skillset.py"), os.path.join(package, "__init__.py"))
        with open(os.path.join(package, "fault.txt"), "w", encoding="utf-8") as file:
            file.write(fault.name)
    if "onnx" in fault.formats:
        path = os.path.join(folder, "model.onnx")
        export(fault, path)
        if "openvino-ir" in fault.formats:
            openvino.save_model(openvino.convert_model(path), path.replace(".onnx", ".xml"), compress_to_fp16=False)


def is_asked(fault: faults.Fault, which: str) -> bool:
    return fault.short if which == "short" else which == "all" or which in fault.name


def main(_: str, out: str, which: str) -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    planted = [fault for fault in faults.FAULTS if is_asked(fault, which)]
    for fault in planted:
        make(fault, os.path.join(out, fault.name))
    told = ("kind", "name", "expected", "limit", "why", "formats", "short")
    with open(os.path.join(out, "faults.json"), "w", encoding="utf-8") as file:
        json.dump([{name: getattr(fault, name) for name in told} for fault in planted], file)


if __name__ == "__main__":
    main(*sys.argv[1:])
