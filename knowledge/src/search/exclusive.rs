//! Inputs that a forward takes one instead of the other, and says so when it is given both.

use portwright_core::{Finding, PortPlan};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::senses::placeholders::without;

/// Wordings of a refusal to take several inputs together.
const TOGETHER: [&str; 6] = [
    "at the same time",
    "exactly one of",
    "Exactly 1 of",
    "only one of",
    "cannot specify both",
    "mutually exclusive",
];

/// Plans without one of the inputs that the error names: the later one first, which with its placeholders is the rarer
/// sense.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    if !TOGETHER.iter().any(|words| said.contains(words)) {
        return Vec::new();
    }
    let named: Vec<&str> = plan
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .filter(|name| text::names(&said, name))
        .collect();
    if named.len() < 2 {
        return Vec::new();
    }
    named
        .into_iter()
        .rev()
        .map(|name| {
            let video = name.contains("video").then(|| without(plan, "video"));
            let next = video.flatten().unwrap_or_else(|| {
                let mut next = plan.clone();
                next.inputs.retain(|input| input.name != name);
                next
            });
            let reason = format!("`{name}` is not taken together with the others");
            let key = format!("inputs.{name}");
            Candidate::setting(next, &key, searched(STATED, finding, reason))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::{Signature, Stage};

    use super::*;

    fn plan() -> PortPlan {
        PortPlan::from_toml(
            r#"
schema = 1
model_type = "any"
family = "multimodal"
library_version = "5.20.2"
class = "AnyModel"
module = "any"
config_class = "AnyConfig"
task = "base"
weights = { seed = 0, gain = 1.0 }

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 24, other = 27 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "tokens", low = 24, high = 99, runs = [{ id = 3, at = 1, count = 4, marks = "image" }, { id = 4, at = 6, count = 4, marks = "video" }] }

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 3]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "pixel_values_videos"
dtype = "float32"
shape = ["batch", 3]
modality = "video"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        )
        .unwrap()
    }

    #[test]
    fn one_of_two_inputs_that_exclude_each_other_is_left_out_with_its_placeholders() {
        let finding = Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: "pixel_values and pixel_values_videos are provided at the same time".into(),
            error: None,
            hint: None,
        };
        let found = candidates(&plan(), &finding);
        let left = &found[0].plan;
        assert!(
            left.input("pixel_values_videos").is_none() && left.input("pixel_values").is_some()
        );
        let runs = serde_json::to_value(&left.input("input_ids").unwrap().values).unwrap();
        assert_eq!(runs["runs"].as_array().unwrap().len(), 1);
        assert!(found[1].plan.input("pixel_values").is_none());
    }
}
