"""Makes a toy that generates, right and wrong on purpose: `make_generation.py INPUTS OUT`.

Its logits at a token are multiples of the sum of all tokens so far; the cache is that sum. Below OUT:
`reference/outputs/` with what one forward over each file of INPUTS gives, and a folder for each variant with
`prefill.onnx` and `decode.onnx`.
"""

import os
import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file

SCALES = np.array([1.0, 2.0, 3.0], np.float32)
CACHE = "past_key_values.sum"
VARIANTS = ("right", "ignores-cache", "prefill-logits", "constant", "stuck-cache", "fixed-batch", "no-cache")


def save(path: str, nodes: list, inputs: dict, outputs: list[str]) -> None:
    constants = [
        numpy_helper.from_array(SCALES, "scales"),
        numpy_helper.from_array(np.int64(1), "axis"),
        numpy_helper.from_array(np.array([2]), "last"),
        numpy_helper.from_array(np.array([-1]), "from"),
        numpy_helper.from_array(np.array([2**31]), "to"),
        numpy_helper.from_array(np.array([1]), "along"),
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(np.float32(1.5), "level"),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def logits_of(total: str, out: str) -> list:
    return [
        helper.make_node("Unsqueeze", [total, "last"], ["column"]),
        helper.make_node("Mul", ["column", "scales"], [out]),
    ]


def prefill(path: str, variant: str) -> None:
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("CumSum", ["ids", "axis"], ["total"]),
        *logits_of("total", "logits"),
        helper.make_node("Slice", ["total", "from", "to", "along"], [CACHE]),
    ]
    save(
        path,
        nodes,
        {"input_ids": (TensorProto.INT64, ["batch", "tokens"])},
        ["logits"] if variant == "no-cache" else ["logits", CACHE],
    )


def decode(path: str, variant: str) -> None:
    seen = {"ignores-cache": "ids", "prefill-logits": f"input.{CACHE}"}.get(variant, "total")
    kept = f"input.{CACHE}" if variant == "stuck-cache" else "total"
    batch = 2 if variant == "fixed-batch" else "batch"
    last = [helper.make_node("Identity", ["made"], ["logits"])]
    if variant == "constant":
        last = [
            helper.make_node("Mul", ["made", "zero"], ["nothing"]),
            helper.make_node("Add", ["nothing", "level"], ["logits"]),
        ]
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["ids", f"input.{CACHE}"], ["total"]),
        *logits_of(seen, "made"),
        *last,
        helper.make_node("Identity", [kept], [f"output.{CACHE}"]),
    ]
    inputs = {"input_ids": (TensorProto.INT64, [batch, 1]), f"input.{CACHE}": (TensorProto.FLOAT, [batch, 1])}
    save(path, nodes, inputs, ["logits", f"output.{CACHE}"])


def main(inputs: str, out: str) -> None:
    for name in sorted(os.listdir(inputs)):
        total = load_file(os.path.join(inputs, name))["input_ids"].cumsum(1).to(torch.float32)
        folder = os.path.join(out, "reference", "outputs")
        os.makedirs(folder, exist_ok=True)
        save_file({"logits": total[..., None] * torch.from_numpy(SCALES)}, os.path.join(folder, name))
    for variant in VARIANTS:
        folder = os.path.join(out, variant)
        os.makedirs(folder, exist_ok=True)
        prefill(os.path.join(folder, "prefill.onnx"), variant)
        decode(os.path.join(folder, "decode.onnx"), variant)


if __name__ == "__main__":
    main(*sys.argv[1:])
