"""Makes the toy's artefacts for every backend, and its reference: `make.py INPUTS OUT MODEL`.

Below OUT: `reference/outputs/` with what eager PyTorch computes on each file of INPUTS, and a folder for each
variant with `model.onnx`, `model.xml` and the package `skillset/`.
"""

import importlib.util
import os
import shutil
import sys

import numpy as np
import onnx
import openvino
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import load_file, save_file


def constant(name: str, values) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(values), name)


def tail(variant: str) -> tuple[list, list]:
    """The nodes after `state0` and `total0`, and their constants."""
    nodes, constants = [], []

    def same(out: str, source: str) -> None:
        nodes.append(helper.make_node("Identity", [source], [out]))

    if variant == "constant":
        constants += [constant("zero", np.float32(0)), constant("level", np.float32(1.5))]
        nodes.append(helper.make_node("Mul", ["total0", "zero"], ["nothing"]))
        nodes.append(helper.make_node("Add", ["nothing", "level"], ["total"]))
        same("state", "state0")
    elif variant == "zeros":
        constants.append(constant("zero", np.float32(0)))
        nodes.append(helper.make_node("Mul", ["total0", "zero"], ["total"]))
        nodes.append(helper.make_node("Mul", ["state0", "zero"], ["state"]))
    elif variant == "traced-shape":
        constants += [constant("from", [0, 0]), constant("to", [2, 8]), constant("axes", [0, 1])]
        nodes.append(helper.make_node("Slice", ["state0", "from", "to", "axes"], ["state"]))
        same("total", "total0")
    elif variant == "memory":
        # The size comes from an input, so that it is not computed when the graph is loaded.
        constants += [constant("zero", np.float32(0)), constant("many", np.int64(25_000_000)), constant("flat", [-1])]
        nodes.append(helper.make_node("ReduceSum", ["mask"], ["positions"], keepdims=0))
        nodes.append(helper.make_node("Cast", ["positions"], ["count"], to=TensorProto.INT64))
        nodes.append(helper.make_node("Mul", ["count", "many"], ["large"]))
        nodes.append(helper.make_node("Reshape", ["large", "flat"], ["shape"]))
        one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
        nodes.append(helper.make_node("ConstantOfShape", ["shape"], ["ones"], value=one))
        nodes.append(helper.make_node("ReduceSum", ["ones"], ["sum"], keepdims=0))
        nodes.append(helper.make_node("Mul", ["sum", "zero"], ["nothing"]))
        nodes.append(helper.make_node("Add", ["total0", "nothing"], ["total"]))
        same("state", "state0")
    elif variant == "endless":
        more, again = helper.make_tensor_value_info("more", TensorProto.BOOL, []), "again"
        body = helper.make_graph(
            [helper.make_node("Identity", ["more"], [again]), helper.make_node("Neg", ["old"], ["new"])],
            "body",
            [
                helper.make_tensor_value_info("turn", TensorProto.INT64, []),
                more,
                helper.make_tensor_value_info("old", TensorProto.FLOAT, None),
            ],
            [
                helper.make_tensor_value_info(again, TensorProto.BOOL, []),
                helper.make_tensor_value_info("new", TensorProto.FLOAT, None),
            ],
        )
        constants += [constant("turns", np.int64(2**62)), constant("always", np.bool_(True))]
        nodes.append(helper.make_node("Loop", ["turns", "always", "total0"], ["total"], body=body))
        same("state", "state0")
    else:
        same("state", "state0")
        same("total", "total0")
    return nodes, constants


def graph(toy, variant: str) -> onnx.ModelProto:
    second = toy.SECOND * 1.05 if variant == "wrong-weights" else toy.SECOND
    nodes = [helper.make_node("Cast", ["mask"], ["weight"], to=TensorProto.FLOAT)]
    nodes.append(
        helper.make_node("Identity", ["x"], ["masked"])
        if variant == "ignores-mask"
        else helper.make_node("Mul", ["x", "weight"], ["masked"])
    )
    nodes += [
        helper.make_node("Unsqueeze", ["masked", "last"], ["column"]),
        helper.make_node("Mul", ["column", "first"], ["scaled"]),
        helper.make_node("Add", ["scaled", "bias"], ["shifted"]),
        helper.make_node("Tanh", ["shifted"], ["bent"]),
        helper.make_node("MatMul", ["bent", "second"], ["state0"]),
        helper.make_node("ReduceSum", ["state0", "rows"], ["total0"], keepdims=0),
        helper.make_node("ReduceSum", ["mask", "rows"], ["length"], keepdims=0),
    ]
    constants = [
        constant("first", toy.FIRST.numpy()),
        constant("bias", toy.BIAS.numpy()),
        constant("second", second.numpy()),
        constant("last", [-1]),
        constant("rows", [1]),
    ]
    more_nodes, more_constants = tail(variant)
    shape = ["batch", "sequence"]
    made = helper.make_graph(
        nodes + more_nodes,
        "toy",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, shape),
            # Not every provider computes with 64 bits.
            helper.make_tensor_value_info("mask", TensorProto.INT32, shape),
        ],
        [
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [None, None, 4]),
            helper.make_tensor_value_info("total", TensorProto.FLOAT, [None, 4]),
            helper.make_tensor_value_info("length", TensorProto.INT32, [None]),
        ],
        constants + more_constants,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def main(inputs: str, out: str, model: str) -> None:
    spec = importlib.util.spec_from_file_location("toy", model)
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    outputs = os.path.join(out, "reference", "outputs")
    os.makedirs(outputs)
    eager = toy.Toy().eval()
    for name in os.listdir(inputs):
        with torch.inference_mode():
            computed = eager(**load_file(os.path.join(inputs, name)))
        save_file({key: tensor.contiguous() for key, tensor in computed.items()}, os.path.join(outputs, name))
    for variant in (*toy.VARIANTS, "memory", "endless"):
        folder = os.path.join(out, variant)
        os.makedirs(folder)
        onnx_file = os.path.join(folder, "model.onnx")
        onnx.save(graph(toy, variant), onnx_file)
        if variant in toy.VARIANTS:
            openvino.save_model(
                openvino.convert_model(onnx_file), os.path.join(folder, "model.xml"), compress_to_fp16=False
            )
            package = os.path.join(folder, "skillset")
            os.makedirs(package)
            shutil.copy(model, os.path.join(package, "__init__.py"))
            with open(os.path.join(package, "variant.txt"), "w", encoding="utf-8") as file:
                file.write(variant)
    broken = os.path.join(out, "broken")
    os.makedirs(os.path.join(broken, "skillset"))
    for name in ("model.onnx", "model.xml", os.path.join("skillset", "__init__.py")):
        with open(os.path.join(broken, name), "w", encoding="utf-8") as file:
            file.write("this is no artefact\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
