//! `portwright run` from end to end, with the real environment and runtimes.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Place, assert_all_pass, documents::assert_documented, source};

/// What a person does with a skillset: it is loaded on two backends, and they agree on inputs of another size and seed.
const USE: &str = "
import importlib, sys
import numpy as np

skillset = importlib.import_module(f'skillsets.{sys.argv[1]}')
assert set(skillset.backends()) == {'torch-cpu', 'onnxruntime', 'openvino'}, skillset.backends()
with skillset.load('torch-cpu') as torch, skillset.load('onnxruntime') as onnx:
    inputs = onnx.example_inputs(batch=3, seed=7)
    expected, outputs = torch.infer(**inputs), onnx.infer(**inputs)
    assert expected.keys() == outputs.keys()
    for name in expected:
        assert outputs[name].shape[0] == 3, (name, outputs[name].shape)
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-3, atol=1e-3)
    assert onnx.memory_estimate()['parameters'] > 0
    print(onnx.describe()['family'])
";

#[test]
fn bert_passes_everywhere_and_its_skillset_is_committed() {
    let place = Place::new();
    let (code, document) = place.run(&["bert"]);
    assert_all_pass(&document);
    assert_documented(&document);
    assert_eq!(code, 0);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["model_type"], "bert");
    assert_eq!(document["reused"], false);

    let branch = document["branch"].as_str().unwrap();
    let files = place.git("skillsets", &["ls-tree", "-r", "--name-only", branch]);
    for file in [
        "skillset.py",
        "test_skillset.py",
        "manifest.json",
        "plan.toml",
        "README.md",
    ] {
        assert!(
            files.lines().any(|line| line == format!("bert/{file}")),
            "{file} is not in\n{files}"
        );
    }
    let message = place.git("skillsets", &["log", "-1", "--format=%B", branch]);
    for backend in ["torch-cpu", "onnxruntime", "openvino"] {
        assert!(message.contains(backend), "{message}");
    }
    let commit = place.git("skillsets", &["rev-parse", branch]);
    assert_eq!(document["commit"], commit.trim());

    // The same command again is answered from the ledger, which it leaves as it is.
    let events = place.events();
    let (code, again) = place.run(&["bert"]);
    assert_eq!(code, 0);
    assert_eq!(again["reused"], true);
    for field in ["run", "verdicts", "commit", "branch"] {
        assert_eq!(again[field], document[field]);
    }
    assert_eq!(place.events(), events);

    place.git("skillsets", &["switch", branch]);
    assert_eq!(place.script(USE, &["bert"]), "encoder-only");
}

/// A type passes on every backend, and its skillset serves a plain script.
fn passes_and_is_used(model_type: &str, family: &str) {
    let place = Place::new();
    let (code, document) = place.run(&[model_type]);
    assert_all_pass(&document);
    assert_eq!(code, 0);
    let branch = document["branch"].as_str().unwrap();
    place.git("skillsets", &["switch", branch]);
    assert_eq!(place.script(USE, &[model_type]), family);
}

#[test]
fn a_decoder_passes_and_its_skillset_is_used() {
    passes_and_is_used("gpt2", "decoder-only");
}

#[test]
fn an_encoder_decoder_passes_and_its_skillset_is_used() {
    passes_and_is_used("pegasus", "encoder-decoder");
}

#[test]
fn a_vision_model_passes_and_its_skillset_is_used() {
    passes_and_is_used("vit", "vision");
}

#[test]
fn a_decoder_in_a_local_folder_goes_the_same_way() {
    let place = Place::new();
    let folder = source().join("evals/models/palm");
    let (code, document) = place.run(&[folder.to_str().unwrap()]);
    assert_all_pass(&document);
    assert_eq!(code, 0);
    assert_eq!(document["model_type"], "palm");
    let branch = document["branch"].as_str().unwrap();
    place.git("skillsets", &["switch", branch]);
    assert_eq!(place.script(USE, &["palm"]), "decoder-only");
}
