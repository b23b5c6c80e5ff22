"""Computes one product on every runtime, with more than one thread each, and says whether it came out right."""

import os

os.environ["OMP_NUM_THREADS"] = "2"

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import openvino  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

generator = np.random.default_rng(0)
left = generator.standard_normal((256, 256), dtype=np.float32)
right = generator.standard_normal((256, 256), dtype=np.float32)
expected = left @ right


def say(library, found):
    close = np.allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-3)
    print(f"{library}: {'right' if close else 'wrong'}", flush=True)


def product(a, b):
    return a @ b


say("torch", product(torch.from_numpy(left), torch.from_numpy(right)).numpy())
exported = torch.export.export(torch.nn.Linear(256, 256, bias=False), (torch.from_numpy(left),)).module()
exported.load_state_dict({"weight": torch.from_numpy(right.T.copy())})
say("torch exported", exported(torch.from_numpy(left)).detach().numpy())
compiled = torch.compile(product, backend="aot_eager")
say("torch compiled", compiled(torch.from_numpy(left), torch.from_numpy(right)).numpy())

graph = helper.make_graph(
    [helper.make_node("MatMul", ["a", "b"], ["c"])],
    "product",
    [helper.make_tensor_value_info(name, TensorProto.FLOAT, [256, 256]) for name in "ab"],
    [helper.make_tensor_value_info("c", TensorProto.FLOAT, [256, 256])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save(model, "product.onnx")
# Left to itself it starts a thread per processor and binds each, which is refused and must not matter.
session = onnxruntime.InferenceSession("product.onnx", providers=["CPUExecutionProvider"])
say("onnxruntime", session.run(None, {"a": left, "b": right})[0])
options = {"ENABLE_CPU_PINNING": True, "INFERENCE_NUM_THREADS": 2, "INFERENCE_PRECISION_HINT": "f32"}
found = openvino.Core().compile_model("product.onnx", "CPU", options)({"a": left, "b": right})
say("openvino", found[0])
