//! What the tests of this folder are about: a plan, a card and a finding of any type, with what each test adds.

use portwright_core::{Finding, InterfaceCard, PortPlan, Signature, Stage};
use serde_json::{Value, json};

/// A plan of any type with the sizes, inputs and settings in `rest`.
pub fn plan(rest: &str) -> PortPlan {
    const HEAD: &str = r#"
schema = 2
model_type = "any"
family = "multimodal"
library_version = "5.20.2"
class = "AnyModel"
module = "any"
config_class = "AnyConfig"
task = "base"
backends = ["torch-cpu"]
weights = { seed = 0, gain = 1.0 }
"#;
    PortPlan::from_toml(&format!("{HEAD}{rest}")).unwrap()
}

/// A plan of one real input, of frames by features, and of a mask over its frames.
pub fn features() -> PortPlan {
    plan(
        r#"
[dims]
batch = { example = 2, other = 3 }
frames = { example = 64, other = 96 }

[[inputs]]
name = "features"
dtype = "float32"
shape = ["batch", "frames", 128]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "some_mask"
dtype = "int64"
shape = ["batch", "frames"]
modality = "control"
values = { kind = "mask" }
"#,
    )
}

/// A plan of a text in which places are kept for other senses, by `runs`, and what else is in `rest`.
pub fn prompt(runs: &str, rest: &str) -> PortPlan {
    plan(&format!(
        r#"
[dims]
batch = {{ example = 2, other = 3 }}
sequence = {{ example = 24, other = 27 }}

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = {{ kind = "tokens", low = 24, high = 128, runs = [{runs}] }}
{rest}"#
    ))
}

/// A plan of pictures of this shape, with what `rest` adds.
pub fn pictures(shape: &str, rest: &str) -> PortPlan {
    plan(&format!(
        r#"
[dims]
batch = {{ example = 2, other = 3 }}

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = {shape}
modality = "image"
values = {{ kind = "normal", mean = 0.0, std = 1.0 }}

{rest}"#
    ))
}

/// A card of any type with the keys of `own` in place of its own.
pub fn card(own: Value) -> InterfaceCard {
    let mut card = json!({
        "schema": 1, "model_type": "any", "library_version": "5.20.2", "family": "multimodal",
        "config_class": {"name": "AnyConfig", "module": "any", "source": {"file": "any.py", "line": 1}},
        "config_fields": [], "attribute_map": {}, "sub_configs": {}, "classes": [], "modalities": ["text"]
    });
    for (key, value) in own.as_object().into_iter().flatten() {
        card[key] = value.clone();
    }
    serde_json::from_value(card).unwrap()
}

/// A finding of an exception that says `message`, met in a line of code.
pub fn met(stage: Stage, exception: &str, message: &str, code: &str) -> Finding {
    let frame = json!({"file": "any.py", "line": 1, "function": "forward", "code": code});
    let error = json!({
        "exception": exception, "message": message, "frames": [frame], "causes": [], "doing": stage.as_str(),
    });
    Finding {
        error: Some(serde_json::from_value(error).unwrap()),
        ..finding(stage, message)
    }
}

/// A finding of a stage that says `message`.
pub fn finding(stage: Stage, message: impl Into<String>) -> Finding {
    Finding {
        stage,
        backend: None,
        signature: Signature::phrase("x"),
        message: message.into(),
        error: None,
        hint: None,
    }
}
