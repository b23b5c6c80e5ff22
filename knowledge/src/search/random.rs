//! A forward that draws random numbers: what scales them down to nothing, or takes their place.

use portwright_core::{Finding, InterfaceCard, PortPlan, plan::Axis};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{get, join, more_input, nodes};

/// What the worker says of such a forward.
const DRAWS: &str = "draws random numbers";
/// Fields of the configuration that scale what is drawn.
const SCALES: [&str; 2] = ["noise", "dropout"];

/// Noise of no size, noise that is given as an input, and dropout of nothing, for models that drop out in inference too.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    if !text::said(finding).contains(DRAWS) {
        return Vec::new();
    }
    let said = text::said(finding);
    let mut found: Vec<Candidate> = given(card, plan, finding).into_iter().collect();
    // The worker tells the code that draws: a field that it names may be what scales the numbers.
    let drawn = said.split_once(DRAWS).map_or("", |(_, told)| told);
    found.extend(silenced(card, plan, finding, |name| {
        text::names(drawn, name)
    }));
    for word in SCALES {
        found.extend(silenced(card, plan, finding, |name| name.contains(word)));
    }
    found
}

/// All these fields that are a positive fraction, at nothing.
fn silenced(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    wanted: impl Fn(&str) -> bool,
) -> Option<Candidate> {
    let mut next = plan.clone();
    let mut names = Vec::new();
    for node in nodes(card) {
        for field in node.fields.iter().filter(|f| wanted(&f.name)) {
            let path = join(&node.path, &field.name);
            let now = get(&plan.config, &path).unwrap_or(&field.default);
            if now.as_f64().is_some_and(|scale| scale > 0.0) && now.is_f64() {
                put_named(card, &mut next.config, &path, Value::from(0.0));
                names.push(path);
            }
        }
    }
    let reason = format!("`{}` scales what is drawn", names.join("`, `"));
    let provenance = searched(STATED, finding, reason);
    let key = format!("config.{}", names.join(","));
    (!names.is_empty()).then(|| Candidate::setting(next, &key, provenance))
}

/// The noise as an input, as long as what it is given beside.
fn given(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let class = card.class(&plan.class)?;
    let name = class
        .inputs
        .iter()
        // What makes noise by itself, such as a scheduler, is no tensor.
        .filter(|input| {
            let annotation = input.annotation.as_deref().unwrap_or_default();
            annotation.contains("Tensor") || !input.shape.is_empty()
        })
        .map(|input| input.name.as_str())
        .find(|name| name.contains(SCALES[0]) && plan.input(name).is_none())?;
    let beside = plan.inputs.iter().find(|input| input.dtype.is_float())?;
    let mut next = more_input(card, plan, name)?;
    let noise = next.inputs.iter_mut().find(|input| input.name == name)?;
    for (axis, other) in noise.shape.iter_mut().zip(&beside.shape) {
        let new = axis
            .named()
            .is_some_and(|(own, _)| !plan.dims.contains_key(own));
        if new && matches!(other, Axis::Named(_)) {
            *axis = other.clone();
        }
    }
    let used = |dim: &str| {
        let mut axes = next.inputs.iter().flat_map(|input| &input.shape);
        axes.any(|axis| axis.named().is_some_and(|(own, _)| own == dim))
    };
    let unused: Vec<String> = next
        .dims
        .keys()
        .filter(|dim| !plan.dims.contains_key(*dim) && !used(dim))
        .cloned()
        .collect();
    next.dims.retain(|dim, _| !unused.contains(dim));
    let reason = format!("`{name}` takes the place of what is drawn");
    let provenance = searched(STATED, finding, reason);
    Some(Candidate::setting(
        next,
        &format!("inputs.{name}"),
        provenance,
    ))
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;
    use serde_json::json;

    use super::*;
    use crate::propose::{ProposeOptions, propose};
    use crate::search::fixtures;

    #[test]
    fn noise_is_given_as_long_as_what_it_stands_beside_or_scaled_to_nothing() {
        let source = json!({ "file": "any.py", "line": 1 });
        let input = |name: &str, required: bool, shape: &[&str]| json!({ "name": name, "required": required, "shape": shape, "source": source });
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_class": { "name": "AnyConfig", "module": "any", "source": source },
            "config_fields": [
                { "name": "noise_scale", "default": 0.5 },
                { "name": "layer_dropout", "default": 0.1 },
                { "name": "spread", "default": 0.25 },
                { "name": "hidden_dropout", "default": 0.0 },
            ],
            "modalities": [],
            "classes": [{
                "name": "AnyModel", "module": "any", "task": "base", "source": source, "main_input": "input_features",
                "inputs": [
                    input("input_features", true, &[]),
                    input("noise_sequence", false, &["batch_size", "sequence_length", "7"]),
                ],
            }],
        }));
        let plan = propose(&card, &ProposeOptions::default()).unwrap();
        let finding = fixtures::finding(
            Stage::Forward,
            format!(
                "the forward {DRAWS}, on which its outputs depend: waveform; a.py:3 draws: x + self.spread * torch.randn(2)"
            ),
        );
        let found = candidates(&card, &plan, &finding);
        let noise = found[0].plan.input("noise_sequence").unwrap();
        assert_eq!(noise.shape[1], plan.inputs[0].shape[1]);
        assert_eq!(found[0].plan.dims, plan.dims);
        assert_eq!(found[1].plan.config["spread"], json!(0.0));
        assert_eq!(found[2].plan.config["noise_scale"], json!(0.0));
        assert_eq!(found[3].plan.config["layer_dropout"], json!(0.0));
        assert!(!found[3].plan.config.contains_key("hidden_dropout"));
    }
}
