//! What a user gets who loads a rendered skillset with a checkpoint: its own numbers, or an error that names why not.
#![allow(clippy::unwrap_used)]

mod samples;

use std::{fs, path::Path, process::Command};

use portwright_core::PortPlan;
use portwright_sandbox::environment::Environment;
use portwright_tools::render::render_code;
use samples::{plans, repaired};

/// Saves the small model, changes what was saved, and says what `load` makes of it.
const SCRIPT: &str = r#"
import json
import shutil
import sys

import torch
from port import build, load
from safetensors.torch import load_file, save_file

with load() as model:
    model.module.save_pretrained("saved")


def variant(name, change=None, **config):
    shutil.copytree("saved", name)
    if change is not None:
        tensors = load_file(f"{name}/model.safetensors")
        change(tensors)
        save_file(tensors, f"{name}/model.safetensors", {"format": "pt"})
    with open(f"{name}/config.json") as file:
        values = {**json.load(file), **config}
    with open(f"{name}/config.json", "w") as file:
        json.dump(values, file)
    return name


def said(*args, **kwargs):
    try:
        with load(*args, **kwargs) as model:
            model.infer(**model.example_inputs())
    except ValueError as error:
        return str(error)
    return "loaded"


def same(expected, found):
    assert expected in found, f"expected {expected!r}, found {found!r}"

"#;

fn run(plan: &PortPlan, script: &str) {
    let environment = Environment::locked().unwrap();
    let library = environment.site_packages.join("transformers");
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in render_code(plan, None, &library).unwrap() {
        let path = folder.path().join("port").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    python(
        &environment.python,
        folder.path(),
        &format!("{SCRIPT}{script}"),
    );
}

fn python(python: &Path, folder: &Path, script: &str) {
    let output = Command::new(python)
        .args(["-c", script])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn bert() -> PortPlan {
    let plans = plans();
    let mut found = plans.into_iter();
    found
        .find(|plan| plan.model_type.as_str() == "bert")
        .unwrap()
}

#[test]
fn weights_that_are_missing_or_do_not_fit_are_refused_by_their_names_on_every_backend() {
    run(
        &bert(),
        r#"
def without_head(tensors):
    del tensors["pooler.dense.weight"], tensors["pooler.dense.bias"]


def fewer_rows(tensors):
    name = "embeddings.word_embeddings.weight"
    tensors[name] = tensors[name][:-2].clone()


def no_number(tensors):
    tensors["pooler.dense.bias"][3] = float("nan")


cases = {
    "lacks 2 weights of BertModel": variant("lacks", without_head),
    "pooler.dense.bias, pooler.dense.weight": "lacks",
    "embeddings.word_embeddings.weight is (97, 32), not (99, 32)": variant("fewer", fewer_rows),
    "pooler.dense.bias of BertModel hold values that are no numbers": variant("spoilt", no_number),
    "of the type 'roberta'": variant("other", model_type="roberta"),
    "quantised (gptq)": variant("quantised", quantization_config={"quant_method": "gptq"}),
}
for told, checkpoint in cases.items():
    for backend in ("torch-cpu", "onnxruntime", "openvino"):
        same(told, said(backend, checkpoint=checkpoint))
same("loaded", said("onnxruntime", checkpoint="saved"))
"#,
    );
}

#[test]
fn an_artefact_that_does_not_give_what_the_checkpoint_gives_is_refused() {
    run(
        &bert(),
        r#"
def moved(tensors):
    tensors["pooler.dense.bias"] += 1


main = "made/" + build("onnxruntime", "made", checkpoint="saved")["main"]
same("loaded", said("onnxruntime", checkpoint="saved", artefact=main))
for checkpoint in (variant("moved", moved), variant("relu", hidden_act="relu")):
    found = said("onnxruntime", checkpoint=checkpoint, artefact=main)
    same("onnxruntime does not give what PyTorch gives with the checkpoint", found)
    same("loaded", said("onnxruntime", checkpoint=checkpoint))
"#,
    );
}

#[test]
fn a_checkpoint_that_takes_another_way_than_the_repaired_port_is_refused_by_the_field() {
    run(
        &repaired(&bert()),
        r#"
other = variant("other", onnx_export=False)
found = said("onnxruntime", checkpoint=other)
same("repaired with onnx_export = True, and the checkpoint has False", found)
# PyTorch runs the checkpoint's own way, and so does a port that took the same.
same("loaded", said("torch-cpu", checkpoint=other))
same("loaded", said("onnxruntime", checkpoint="saved"))
"#,
    );
}
