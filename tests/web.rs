//! The backends of the web's runtime from end to end, with the real Node and the real packages.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use serde_json::Value;
use support::{Place, json};

/// What a person does with the skillset, in Python: it gives on the web's runtime what it gives in PyTorch.
const USE: &str = "
import numpy as np
from skillsets.elm import load, backends

assert backends()['wasm'] is None, backends()
with load('torch-cpu') as torch, load('wasm') as wasm:
    inputs = wasm.example_inputs(batch=3, seed=7)
    expected, outputs = torch.infer(**inputs), wasm.infer(**inputs)
    assert expected.keys() == outputs.keys()
    for name in expected:
        np.testing.assert_allclose(outputs[name], expected[name], rtol=1e-4, atol=1e-4)
    print('agrees')
";

/// The folder of the component, fetched first where it is not there.
fn web(place: &Place) -> PathBuf {
    let setup = |args: &[&str]| {
        let output = place.command().arg("setup").args(args).output().unwrap();
        assert!(output.status.success(), "{}", support::text(&output));
        json(&output)
    };
    let document = setup(&["web", "--json"]);
    let component = &document["components"][0];
    assert_eq!(component["name"], "web");
    assert!(
        component["backends"]
            .as_array()
            .unwrap()
            .contains(&"wasm".into())
    );
    PathBuf::from(component["folder"].as_str().unwrap())
}

fn verdict<'a>(document: &'a Value, backend: &str) -> &'a Value {
    let mut verdicts = document["verdicts"].as_array().unwrap().iter();
    verdicts.find(|it| it["backend"] == backend).unwrap()
}

#[test]
fn one_onnx_file_passes_on_both_of_its_runtimes_and_the_skillset_runs_on_the_web() {
    let place = Place::new();
    let component = web(&place);
    place.toy("elm", false);
    let (code, document) = place.run(&["elm", "-b", "torch-cpu,onnxruntime,wasm"]);
    assert_eq!(code, 0, "{document:#}");
    let (onnx, wasm) = (
        verdict(&document, "onnxruntime"),
        verdict(&document, "wasm"),
    );
    let evidence = &wasm["evidence"];
    assert_eq!(wasm["verdict"], "pass");
    assert_eq!(evidence["device"], "wasm");
    assert!(
        evidence["versions"]["onnxruntime-web"].is_string(),
        "{evidence}"
    );
    assert_ne!(evidence["isolation"], "none");
    // It is the same file, to the byte, and was made once in each of the two phases.
    assert_eq!(evidence["artefact"], onnx["evidence"]["artefact"]);
    let run = document["run"].as_str().unwrap();
    let events = place
        .command()
        .args(["runs", run, "--json"])
        .output()
        .unwrap();
    let events = json(&events);
    let events = events["events"].as_array().unwrap();
    let built = |event: &&Value| event["event"] == "step-started" && event["step"] == "build onnx";
    assert_eq!(events.iter().filter(built).count(), 2);

    let branch = document["branch"].as_str().unwrap();
    place.git("skillsets", &["switch", "-q", branch]);
    let web = place.path("skillsets/elm/web");
    for file in ["index.html", "model.mjs", "package.json"] {
        assert!(web.join(file).is_file(), "{file}");
    }
    // In the place of `npm install`.
    symlink(component.join("node_modules"), web.join("node_modules")).unwrap();
    assert_eq!(place.script(USE, &[]), "agrees");
    fs::remove_file(web.join("node_modules")).unwrap();
    let absent = "from skillsets.elm import backends; print(backends()['wasm'])";
    assert!(place.script(absent, &[]).contains("npm install"));
}

#[test]
fn a_component_that_does_not_exist_names_those_that_do() {
    let place = Place::new();
    let output = place.command().args(["setup", "moon"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = support::text(&output);
    assert!(said.contains("the components are web"), "{said}");
}
