//! `portwright run` from end to end, with the real environment and runtimes.
#![allow(clippy::unwrap_used)]

mod support;

use support::{Place, assert_all_pass, source};

#[test]
fn bert_passes_everywhere_and_its_skillset_is_committed() {
    let place = Place::new();
    let (code, document) = place.run(&["bert"]);
    assert_all_pass(&document);
    assert_eq!(code, 0);
    assert_eq!(document["schema"], 1);
    assert_eq!(document["model_type"], "bert");

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

    // The same command again is answered from the ledger.
    let (code, again) = place.run(&["bert"]);
    assert_eq!(code, 0);
    assert_eq!(again["reused"], true);
    assert_eq!(again["run"], document["run"]);
    assert_eq!(again["verdicts"], document["verdicts"]);
    assert_eq!(again["commit"], document["commit"]);

    // A plain script uses the skillset, with no part of Portwright installed.
    place.git("skillsets", &["switch", branch]);
    let script = "
from skillsets.bert import load
with load('onnxruntime') as model:
    outputs = model.infer(**model.example_inputs(batch=3, seed=1))
    assert outputs['last_hidden_state'].shape[0] == 3
    print(sorted(model.describe()))
";
    let output = std::process::Command::new(support::environment().python)
        .args(["-c", script])
        .current_dir(place.root.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", support::text(&output));
}

#[test]
fn a_decoder_in_a_local_folder_goes_the_same_way() {
    let place = Place::new();
    let folder = source().join("evals/models/palm");
    let (code, document) = place.run(&[folder.to_str().unwrap()]);
    assert_all_pass(&document);
    assert_eq!(code, 0);
    assert_eq!(document["model_type"], "palm");
}
