//! `portwright run` on types that generate: prefill and decode with a cache, on both backends that are judged on them.
#![allow(clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::Place;

fn assert_generates(document: &Value) {
    let verdicts = document["generation"].as_array().unwrap();
    let backends: Vec<_> = verdicts.iter().map(|verdict| &verdict["backend"]).collect();
    assert_eq!(backends, ["torch-cpu", "onnxruntime"]);
    for verdict in verdicts {
        assert_eq!(verdict["verdict"], "pass", "{verdict:#}");
        let evidence = &verdict["evidence"];
        assert_eq!(evidence["dynamic"], true);
        let outputs = evidence["outputs"].as_array().unwrap();
        let names: Vec<_> = outputs.iter().map(|output| &output["name"]).collect();
        assert_eq!(
            names,
            ["decode.0.logits", "decode.1.logits", "prefill.logits"]
        );
        assert_eq!(
            evidence["placement"]["nodes"],
            evidence["placement"]["nodes_on_provider"]
        );
        assert_ne!(evidence["isolation"], "none");
    }
}

const ARGS: [&str; 5] = [
    "--backend",
    "torch-cpu",
    "--backend",
    "onnxruntime",
    "--no-commit",
];

#[test]
fn a_decoder_generates_and_says_so_again_from_the_ledger() {
    let place = Place::new();
    let args = [&["gpt2"][..], &ARGS].concat();
    let (code, document) = place.run(&args);
    assert_eq!(code, 0);
    assert_generates(&document);
    let (_, again) = place.run(&args);
    assert_eq!(again["reused"], true);
    assert_eq!(again["generation"], document["generation"]);
}

#[test]
fn an_encoder_decoder_generates_with_the_cache_of_its_encoders_states() {
    let place = Place::new();
    let (code, document) = place.run(&[&["t5"][..], &ARGS].concat());
    assert_eq!(code, 0);
    assert_generates(&document);
    let sensitivity = document["generation"][1]["evidence"]["sensitivity"]
        .as_array()
        .unwrap();
    let probed: Vec<_> = sensitivity.iter().map(|probe| &probe["input"]).collect();
    assert_eq!(
        probed,
        ["input_ids", "attention_mask", "decoder_input_ids"],
        "{sensitivity:?}"
    );
}
