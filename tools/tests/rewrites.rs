//! What the rewrites of an ONNX graph do to it, tried with ONNX Runtime on graphs that have what each looks for, and on graphs
//! that only look like it.
#![allow(clippy::unwrap_used)]

mod samples;

use std::{fs, process::Command};

use portwright_core::{Format, plan::Rewrite};
use portwright_sandbox::environment::Environment;
use portwright_tools::render::render_code;

/// Writes a graph, rewrites it, and compares what it gives before and after.
const SCRIPT: &str = r#"
import importlib.util
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

spec = importlib.util.spec_from_file_location("rewrites", "port/rewrites.py")
rewrites = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rewrites)
PATH = Path("model.onnx")


def made(nodes, inputs, rank, dtype=TensorProto.FLOAT, **constants):
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    out = helper.make_tensor_value_info("y", dtype, [None] * rank)
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g", inputs, [out], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(onnx.shape_inference.infer_shapes(model), PATH)


def operators():
    return Counter(node.op_type for node in onnx.load(PATH).graph.node)


def rewritten(*feeds):
    def run():
        session = onnxruntime.InferenceSession(PATH)
        return [session.run(None, feed)[0] for feed in feeds]

    before = run()
    rewrites.rewrite(PATH)
    onnx.checker.check_model(PATH, full_check=True)
    for old, new in zip(before, run(), strict=True):
        np.testing.assert_array_equal(old, new)
    return operators()


FLOATS = {"x": (TensorProto.FLOAT, ["n", 3])}
x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)

made([("Pow", ["x", "two"], ["y"], {})], FLOATS, 2, two=np.float32(2))
assert rewritten({"x": x}) == {"Mul": 1}, operators()
made([("Pow", ["x", "three"], ["y"], {})], FLOATS, 2, three=np.float32(3))
assert rewritten({"x": x}) == {"Pow": 1}, operators()
made([("Pow", ["x", "powers"], ["y"], {})], FLOATS, 2, powers=np.float32([2, 2, 3]))
assert rewritten({"x": x}) == {"Pow": 1}, operators()

made([("Reciprocal", ["x"], ["y"], {})], FLOATS, 2)
assert rewritten({"x": x})["Reciprocal"] == 0, operators()

WHOLE = {"x": (TensorProto.INT64, ["n"])}


def quotient(divisor, sign=None, rest="x"):
    """The floor of a quotient as an exporter writes it; the sign of a constant is a constant."""
    nodes = [("Div", ["x", "d"], ["q"], {}), ("Sign", ["x"], ["sx"], {}), ("Mod", [rest, "d"], ["m"], {}),
             ("Equal", ["sx", "sd"], ["same"], {}), ("Not", ["same"], ["differ"], {}),
             ("Cast", ["m"], ["over"], dict(to=TensorProto.BOOL)), ("And", ["differ", "over"], ["both"], {}),
             ("Cast", ["both"], ["one"], dict(to=TensorProto.INT64)), ("Sub", ["q", "one"], ["y"], {})]
    held = dict(d=np.int64(divisor), sd=np.int64(np.sign(divisor) if sign is None else sign))
    made(nodes, WHOLE, 1, TensorProto.INT64, **held)


wholes = {"x": np.arange(-9, 10)}
for divisor in (1, 4, -4):
    quotient(divisor)
    left = rewritten(wholes)
    assert left["Mod"] == left["Sign"] == left["Equal"] == 0 and left["Div"] == 1, operators()
# The sign is not that of the divisor.
quotient(4, sign=-1)
assert rewritten(wholes)["Sign"] == 1, operators()

SCORES = {"x": (TensorProto.FLOAT, ["n", 3]), "keep": (TensorProto.BOOL, ["n", 3])}
masked = {"x": x, "keep": np.tile([True, False, False], 5).reshape(5, 3) & (np.arange(5) > 1)[:, None]}


def attention(filler, masks=1):
    """Scores with a bias and masks that are added, the first of which another axis is put before and taken away."""
    nodes = [("Where", ["keep", "zero", "least"], ["w"], {}), ("Unsqueeze", ["w", "front"], ["u"], {}),
             ("Squeeze", ["u", "front"], ["m0"], {}), ("Add", ["bias", "m0"], ["b0"], {})]
    nodes += [("Add", [f"b{n}", "w"], [f"b{n + 1}"], {}) for n in range(masks - 1)]
    nodes += [("Add", ["x", f"b{masks - 1}"], ["s"], {}), ("Softmax", ["s"], ["y"], {})]
    made(nodes, SCORES, 2, zero=np.float32(0), least=np.float32(filler), bias=x[:1], front=np.array([0]))


attention(np.finfo(np.float32).min)
assert rewritten(masked)["Less"] == 1, operators()
# A filler that leaves something of the scores, and two whose sum is an infinity.
attention(-1e4)
assert rewritten(masked)["Less"] == 0, operators()
attention(np.finfo(np.float32).min, masks=2)
assert rewritten(masked)["Less"] == 0, operators()

ROWS = {"x": (TensorProto.FLOAT, ["n", 4, 3])}
rows = {"x": np.random.default_rng(1).normal(size=(5, 4, 3)).astype(np.float32)}
for table, less in (((1, 4, 3), 1), ((4, 3), 1), ((3,), 0), ((1, 1, 3), 0)):
    norm = ("LayerNormalization", ["s", "scale"], ["y"], {})
    made([("Add", ["x", "table"], ["s"], {}), norm], ROWS, 3, table=np.ones(table, np.float32), scale=np.ones(3, np.float32))
    assert rewritten(rows)["Sub"] == less, (table, operators())
made([("Add", ["x", "table"], ["y"], {})], ROWS, 3, table=np.ones((1, 4, 3), np.float32))
assert rewritten(rows)["Sub"] == 0, operators()

for axis, left in ((-1, 0), (2, 0), (1, 1)):
    table = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)
    at = np.array([[[0, -1], [3, 2], [1, 1]], [[2, 0], [0, 0], [-2, 3]]]) % (4 if axis != 1 else 3)
    at[0, 0, 1] = -1
    made([("GatherElements", ["x", "at"], ["y"], dict(axis=axis))],
         {"x": (TensorProto.FLOAT, ["b", "s", 4]), "at": (TensorProto.INT64, ["b", "s", "k"])}, 3)
    assert rewritten({"x": table, "at": at})["GatherElements"] == left, (axis, operators())

for bounds in (["x", "least", "most"], ["x", "least"], ["x", "", "most"]):
    used = dict(least=np.int64(-3), most=np.int64(4))
    made([("Clip", bounds, ["y"], {})], WHOLE, 1, TensorProto.INT64, **{name: used[name] for name in bounds[1:] if name})
    assert rewritten(wholes)["Clip"] == 0, (bounds, operators())
made([("Clip", ["x", "least"], ["y"], {})], FLOATS, 2, least=np.float32(0))
assert rewritten({"x": x})["Clip"] == 1, operators()

for divisor, fmod, left in ((4, 0, 0), (-4, 0, 0), (4, 1, 1)):
    made([("Mod", ["x", "d"], ["y"], dict(fmod=fmod))], WHOLE, 1, TensorProto.INT64, d=np.int64(divisor))
    assert rewritten(wholes)["Mod"] == left, (divisor, operators())

# Equal values and infinities among them; the values first, then where they stand.
ties = np.array([[1, 3, 3, -np.inf], [np.inf, 0, -np.inf, -np.inf], [2, 2, 2, 2]], np.float32)
for output in (0, 1):
    for largest, left in ((1, 0), (0, 1)):
        names = [["y", "other"], ["other", "y"]][output]
        dtype = [TensorProto.FLOAT, TensorProto.INT64][output]
        made([("TopK", ["x", "k"], names, dict(largest=largest))], {"x": (TensorProto.FLOAT, ["n", 4])}, 2, dtype, k=np.array([3]))
        assert rewritten({"x": ties})["TopK"] == left, (output, largest, operators())

# Whole numbers: their sums do not round, in whatever order.
VIDEO = {"x": (TensorProto.FLOAT, ["b", 3, 4, 6, 6])}
video = {"x": np.random.default_rng(3).integers(-4, 5, size=(2, 3, 4, 6, 6)).astype(np.float32)}
kernel = np.random.default_rng(4).integers(-4, 5, size=(5, 3, 2, 3, 3)).astype(np.float32)
for strides, pads, rank in (([2, 3, 3], [0] * 6, 4), ([2, 1, 2], [0, 1, 1, 0, 1, 1], 4), ([1, 3, 3], [0] * 6, 5), ([2, 3, 3], [1, 0, 0, 1, 0, 0], 5)):
    made([("Conv", ["x", "w", "bias"], ["y"], dict(strides=strides, pads=pads))], VIDEO, 5, w=kernel, bias=np.ones(5, np.float32))
    rewritten(video)
    graph = onnx.shape_inference.infer_shapes(onnx.load(PATH)).graph
    ranks = {value.name: len(value.type.tensor_type.shape.dim) for value in [*graph.value_info, *graph.output]}
    found = next(node.output[0] for node in graph.node if node.op_type == "Conv")
    assert ranks[found] == rank, (strides, pads, ranks)

MASK = {"mask": (TensorProto.INT64, ["b", "s"])}


def grid(rank, batch, place, start=0):
    """The indices of every element of the mask, spread over more axes as an exporter writes them."""
    of = lambda at: [("Shape", ["mask"], [f"n{at}"], dict(start=at, end=at + 1)), ("Squeeze", [f"n{at}"], [f"c{at}"], {}),
                     ("Range", ["start" if at else "zero", f"c{at}", "one"], [f"r{at}"], {}),
                     ("Unsqueeze", [f"r{at}", f"a{at}"], [f"u{at}"], {})]
    others = lambda kept: np.array([axis for axis in range(rank) if axis != kept])
    nodes = [*of(0), *of(1), ("Max", ["u0", "u1"], ["together"], {}), ("Shape", ["together"], ["shape"], {})]
    for at in (0, 1):
        nodes += [("Expand", [f"u{at}", "shape"], [f"e{at}"], {}), ("Unsqueeze", [f"e{at}", "last"], [f"i{at}"], {})]
    nodes += [("Concat", ["i0", "i1"], ["at"], dict(axis=-1)), ("GatherND", ["mask", "at"], ["y"], {})]
    made(nodes, MASK, rank, TensorProto.INT64, a0=others(batch), a1=others(place), last=np.array([-1]),
         zero=np.int64(0), one=np.int64(1), start=np.int64(start))


masks = [{"mask": np.arange(b * s).reshape(b, s)} for b, s in ((2, 8), (1, 1), (3, 1), (1, 5))]
grid(4, 0, 3)
assert rewritten(*masks) == {"Constant": 1, "Unsqueeze": 1}, operators()
grid(2, 0, 1)
assert rewritten(*masks)["GatherND"] == 0, operators()
# The axes the other way round, and a part of the places only.
grid(4, 3, 0)
assert rewritten(*masks)["GatherND"] == 1, operators()
grid(4, 0, 3, start=1)
assert rewritten(masks[0])["GatherND"] == 1, operators()

# The same where the sizes are fixed and the indices are a constant; and where they are others.
FIXED = {"mask": (TensorProto.INT64, [2, 3])}
every = np.stack(np.meshgrid(np.arange(2), np.arange(3), indexing="ij"), -1).reshape(2, 1, 1, 3, 2)
for name, at, left in (("every", every, 0), ("swapped", every[::-1], 1), ("twice", every.repeat(2, 1), 1)):
    made([("GatherND", ["mask", "at"], ["y"], {})], FIXED, 4, TensorProto.INT64, at=np.ascontiguousarray(at))
    assert rewritten({"mask": masks[0]["mask"][:, :3].copy()})["GatherND"] == left, (name, operators())
made([("GatherND", ["mask", "at"], ["y"], {})], {"mask": (TensorProto.INT64, [2, 4])}, 4, TensorProto.INT64, at=every)
assert rewritten({"mask": masks[0]["mask"][:, :4].copy()})["GatherND"] == 1, operators()
"#;

#[test]
fn each_changes_what_it_looks_for_and_no_value() {
    let environment = Environment::locked().unwrap();
    let library = environment.site_packages.join("transformers");
    let mut plan = samples::plans()
        .into_iter()
        .find(|plan| plan.model_type.as_str() == "bert")
        .unwrap();
    let export = plan.export.get_mut(&Format::Onnx).unwrap();
    export.rewrites = Rewrite::ALL.to_vec();
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in render_code(&plan, None, &library).unwrap() {
        let path = folder.path().join("port").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let output = Command::new(&environment.python)
        .args(["-c", SCRIPT])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
