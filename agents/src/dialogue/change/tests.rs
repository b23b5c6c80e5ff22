use portwright_core::plan::Source;
use portwright_knowledge::propose::{ProposeOptions, propose};

use super::*;
use crate::testing::card;

const TARGET: &str = "transformers.models.tiny.modeling_tiny.TinyModel.forward";
const SOURCE: &str = "def forward(self, input_ids):\n    return self.embed(input_ids)\n";

fn plan() -> PortPlan {
    propose(&card(), &ProposeOptions::default()).unwrap()
}

fn changed(change: Value) -> Result<PortPlan, String> {
    let change: Change = serde_json::from_value(change).map_err(|error| error.to_string())?;
    let provenance = Provenance {
        source: Source::Model,
        name: "m".into(),
        answers: "x".into(),
        reason: "y".into(),
    };
    apply(&card(), &plan(), &[change], &provenance).map_err(|refused| refused.0)
}

/// One example of every change that the schema offers.
fn examples() -> Vec<Value> {
    vec![
        json!({ "change": "config", "path": "hidden_size", "value": 48 }),
        json!({ "change": "call", "name": "return_dict", "value": true }),
        json!({ "change": "size", "name": "batch", "example": 4, "other": 5 }),
        json!({ "change": "input", "name": "input_ids", "dtype": "int64", "shape": ["batch", "sequence"],
                "values": { "kind": "integer", "low": 5, "high": 9 } }),
        json!({ "change": "class", "name": "TinyModel" }),
        json!({ "change": "attention", "format": "onnx", "implementation": "sdpa" }),
        json!({ "change": "exporter", "format": "onnx", "strategy": "torch-script" }),
        json!({ "change": "free-axes", "format": "onnx", "free": false }),
        json!({ "change": "graph-optimizer", "format": "onnx", "on": false }),
        json!({ "change": "opset", "version": 18 }),
        json!({ "change": "runtime-optimization", "level": "basic" }),
        json!({ "change": "experts", "implementation": "eager" }),
        json!({ "change": "patch", "target": TARGET, "source": SOURCE }),
    ]
}

#[test]
fn every_change_of_the_schema_is_one_that_can_be_read() {
    let schema = schema();
    let offered: Vec<&Value> = schema["anyOf"].as_array().unwrap().iter().collect();
    let examples = examples();
    assert_eq!(offered.len(), examples.len());
    for (offered, example) in offered.into_iter().zip(&examples) {
        assert_eq!(offered["properties"]["change"]["const"], example["change"]);
        for field in offered["required"].as_array().unwrap() {
            assert!(
                !example[field.as_str().unwrap()].is_null(),
                "{field} in {example}"
            );
        }
        serde_json::from_value::<Change>(example.clone()).unwrap();
    }
}

#[test]
fn a_change_is_made_and_noted_with_where_it_comes_from() {
    for example in [
        &examples()[0],
        &examples()[3],
        &examples()[6],
        &examples()[11],
        &examples()[12],
    ] {
        let plan = changed(example.clone()).unwrap();
        let note = plan.adaptations.last().unwrap();
        assert_eq!(note.provenance.source, Source::Model, "{example}");
    }
    let plan = changed(examples()[0].clone()).unwrap();
    assert_eq!(plan.config["hidden_size"], 48);
}

#[test]
fn what_changes_nothing_is_refused() {
    let attention = &plan().export[&Format::Onnx].attention;
    let same = json!({ "change": "attention", "format": "onnx", "implementation": attention });
    assert!(changed(same).unwrap_err().contains("as it was"));
    let provenance = Provenance {
        source: Source::Model,
        name: String::new(),
        answers: String::new(),
        reason: String::new(),
    };
    assert!(apply(&card(), &plan(), &[], &provenance).is_err());
}

#[test]
fn a_second_patch_of_one_function_takes_the_place_of_the_first() {
    let provenance = Provenance {
        source: Source::Model,
        name: "m".into(),
        answers: "x".into(),
        reason: "y".into(),
    };
    let patch = |source: &str| Change::Patch {
        target: TARGET.into(),
        source: source.into(),
    };
    let first = apply(&card(), &plan(), &[patch(SOURCE)], &provenance).unwrap();
    let other = SOURCE.replace("input_ids)\n", "input_ids) + 0\n");
    let second = apply(&card(), &first, &[patch(&other)], &provenance).unwrap();
    assert_eq!(second.adaptations.len(), 1);
    let again = Provenance {
        reason: "another".into(),
        ..provenance
    };
    let same = apply(&card(), &second, &[patch(&other)], &again);
    assert!(same.unwrap_err().0.contains("as it was"));
}

#[test]
fn what_would_make_a_pass_worth_less_is_refused() {
    let patch = |target: &str, source: &str| json!({ "change": "patch", "target": target, "source": source });
    let mask = |values: Value| json!({ "change": "input", "name": "attention_mask", "dtype": "int64", "shape": ["batch", "sequence"], "values": values });
    for (cheat, why) in [
        // A model without layers.
        (
            json!({ "change": "config", "path": "num_hidden_layers", "value": 0 }),
            "above 0",
        ),
        (
            json!({ "change": "config", "path": "num_hidden_layers", "value": -1 }),
            "above 0",
        ),
        // Inputs that the judge does not move.
        (mask(json!({ "kind": "constant", "value": 1 })), "probed"),
        (mask(json!({ "kind": "listed", "values": [1] })), "probed"),
        // What the library does not have.
        (
            json!({ "change": "config", "path": "tolerance", "value": 1 }),
            "no field",
        ),
        (
            json!({ "change": "input", "name": "labels", "dtype": "int64", "shape": [1], "values": { "kind": "range" } }),
            "takes no",
        ),
        (
            json!({ "change": "class", "name": "os.system" }),
            "no class",
        ),
        (
            json!({ "change": "call", "name": "input_ids", "value": 1 }),
            "no argument",
        ),
        // Values that a person's plan may not have either.
        (
            json!({ "change": "attention", "format": "onnx", "implementation": "none" }),
            "eager",
        ),
        (
            json!({ "change": "attention", "format": "module", "implementation": "eager" }),
            "no artefact",
        ),
        (
            json!({ "change": "size", "name": "batch", "example": 0, "other": 3 }),
            "at least 1",
        ),
        (
            json!({ "change": "exporter", "format": "onnx", "strategy": "from-onnx" }),
            "from-onnx",
        ),
        // Code where no code may stand, or more than one function of it.
        (patch("os.system", SOURCE), "no modelling code"),
        (
            patch("torch.nn.functional.linear", SOURCE),
            "no modelling code",
        ),
        (
            patch(
                "transformers.models.tiny.modeling_tiny.TinyModel.__init__",
                SOURCE,
            ),
            "outside the forward pass",
        ),
        (patch("forward", SOURCE), "no such function"),
        (
            patch("transformers.models.tiny.modeling_tiny.X;y.forward", SOURCE),
            "identifier",
        ),
        (
            patch(
                TARGET,
                "import os\ndef forward(self, input_ids):\n    return input_ids\n",
            ),
            "not exactly the one function",
        ),
        (
            patch(
                TARGET,
                "def backward(self, input_ids):\n    return input_ids\n",
            ),
            "not exactly the one function",
        ),
        (patch(TARGET, "def forward(self"), "not valid Python"),
        (patch(TARGET, ""), "not exactly the one function"),
        // Words for what is no change of a plan at all.
        (json!({ "change": "seed", "value": 1 }), "unknown variant"),
        (
            json!({ "change": "skip-test", "name": "x" }),
            "unknown variant",
        ),
        (
            json!({ "change": "drop-input", "name": "input_ids" }),
            "unknown variant",
        ),
    ] {
        let refused = changed(cheat.clone()).unwrap_err();
        assert!(refused.contains(why), "{cheat}: {refused}");
    }
}
