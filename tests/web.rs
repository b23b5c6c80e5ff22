//! The backends of the web's runtime from end to end, with the real Node and the real packages.
#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use portwright_core::Backend;
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

/// What the skillset's page says in the end in a browser, on each of these.
fn said_by_page(component: &Path, web: &Path, on: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web/shown.py");
    let output = Command::new(support::environment().python)
        .arg(script)
        .args([&component.join("chromium/chromium"), web])
        .args(on.iter().map(|on| format!("index.html?on={on}")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn verdict<'a>(document: &'a Value, backend: &str) -> &'a Value {
    let mut verdicts = document["verdicts"].as_array().unwrap().iter();
    verdicts.find(|it| it["backend"] == backend).unwrap()
}

#[test]
fn one_onnx_file_passes_on_each_of_its_runtimes_and_the_skillset_runs_on_the_web() {
    let place = Place::new();
    let component = web(&place);
    place.toy("elm", false);
    let (code, document) = place.run(&["elm", "-b", "torch-cpu,onnxruntime,wasm,webnn"]);
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
    let webnn = &verdict(&document, "webnn")["evidence"];
    assert_eq!(webnn["device"], "cpu", "{document:#}");
    assert!(webnn["versions"]["chromium"].is_string(), "{webnn}");
    assert_eq!(webnn["artefact"], onnx["evidence"]["artefact"]);
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

    // What was judged stands side by side, and what was not says how it is.
    let shown = place.command().args(["matrix", "elm"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(shown.lines().count(), Backend::all().count(), "{shown}");
    let of = |backend: &str| {
        let mut lines = shown.lines();
        lines.find(|line| line.starts_with(backend)).unwrap()
    };
    assert!(of("webnn").contains("pass") && of("webnn").contains("nodes on WebNN"));
    assert!(of("qnn").ends_with("portwright run elm -b qnn"), "{shown}");
    let matrix = place.command().args(["matrix", "elm", "--json"]).output();
    let matrix = json(&matrix.unwrap());
    assert_eq!(matrix["backends"][0]["run"], document["run"]);
    assert_eq!(matrix["backends"][0]["verdict"]["verdict"], "pass");
    let none = place.command().args(["matrix", "oak"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(support::text(&none).contains("portwright run oak -b all"));

    let branch = document["branch"].as_str().unwrap();
    place.git("skillsets", &["switch", "-q", branch]);
    let web = place.path("skillsets/elm/web");
    for file in ["index.html", "model.mjs", "package.json"] {
        assert!(web.join(file).is_file(), "{file}");
    }
    place.script(
        "from skillsets.elm import build; build('wasm', 'skillsets/elm/web')",
        &[],
    );
    // In the place of `npm install`.
    symlink(component.join("node_modules"), web.join("node_modules")).unwrap();
    assert_eq!(place.script(USE, &[]), "agrees");
    let said = said_by_page(&component, &web, &["wasm", "webnn", "moon"]);
    let said: Vec<&str> = said.lines().collect();
    assert!(said[0].starts_with("Ran on wasm in "), "{said:?}");
    assert!(said[1].starts_with("Ran on webnn in "), "{said:?}");
    assert!(said[2].starts_with("It did not run: "), "{said:?}");
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
