//! Ids that a forward takes instead of features: beside features it does not read them.

use portwright_core::{Finding, InterfaceCard, PortPlan, card::ModelClass};

use super::{
    candidate::{Candidate, searched},
    class,
};

/// The text of a model that takes it or features of another sense.
const IDS: &str = "input_ids";
const MASK: &str = "attention_mask";

/// How many other classes are tried.
const FEW: usize = 3;

/// Plans of classes that take one of the two alone, which the library has for such a model; then the plan without the ids.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let Some((next, read)) = without(card, plan, finding) else {
        return Vec::new();
    };
    let one = |class: &&ModelClass| {
        let takes = |name: &str| class.inputs.iter().any(|input| input.name == name);
        class.auto_class.is_some() && (takes(IDS) != takes(&read))
    };
    let others = card.classes.iter().filter(one).take(FEW);
    let mut found: Vec<Candidate> = others
        .filter_map(|other| {
            let next = class::of(card, plan, other)?;
            let reason = format!("`{}` takes ids or `{read}` alone", other.name);
            let provenance = searched("class", finding, reason);
            Some(Candidate::setting(next, "class", provenance))
        })
        .collect();
    let reason = format!("beside `{read}` the ids are not read");
    let provenance = searched("inputs", finding, reason);
    found.push(Candidate::setting(next, "inputs.input_ids", provenance));
    found
}

/// The plan without the ids that move nothing, with the mask of what is read in their place, and what that is.
fn without(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<(PortPlan, String)> {
    let name = finding
        .signature
        .0
        .strip_prefix("reference ignores input ")?;
    let class = card.class(&plan.class)?;
    let optional = class
        .inputs
        .iter()
        .any(|input| input.name == IDS && !input.required);
    if name != IDS || !optional {
        return None;
    }
    let read = plan
        .inputs
        .iter()
        .find(|input| input.dtype.is_float() && input.modality != "control")?;
    // The axis of time is the one that can vary.
    let time = read.shape.iter().skip(1).find(|a| a.named().is_some());
    let mut next = plan.clone();
    let text = plan.input(IDS)?.shape.last()?;
    next.inputs.retain(|input| input.name != IDS);
    if let Some(time) = time
        && let Some(mask) = next.inputs.iter_mut().find(|input| input.name == MASK)
        && mask.shape.last() == Some(text)
        && let Some(last) = mask.shape.last_mut()
    {
        *last = time.clone();
    }
    Some((next, read.name.clone()))
}

#[cfg(test)]
mod tests {
    use portwright_core::{Signature, Stage};

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn ids_that_features_replace_are_left_out_and_the_mask_is_that_of_the_features() {
        let source = serde_json::json!({ "file": "any.py", "line": 1 });
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_class": { "name": "AnyConfig", "module": "any", "source": source },
            "modalities": [],
            "classes": [{ "name": "AnyModel", "module": "any", "task": "base", "source": source, "main_input": "input_ids",
                "inputs": [{ "name": "input_ids", "required": false, "source": source }] }],
        }));
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 8, other = 11 }
frames = { example = 64, other = 96 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "integer", low = 24, high = 99 }

[[inputs]]
name = "input_features"
dtype = "float32"
shape = ["batch", "frames", 80]
modality = "audio"
values = { kind = "normal", mean = 0.0, std = 1.0 }

[[inputs]]
name = "attention_mask"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "control"
values = { kind = "mask" }
"#,
        );
        let finding = Finding {
            stage: Stage::Reference,
            backend: None,
            signature: Signature::phrase("reference ignores input input_ids"),
            message: String::new(),
            error: None,
            hint: None,
        };
        let found = candidates(&card, &plan, &finding).remove(0).plan;
        let names: Vec<&str> = found.inputs.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["input_features", "attention_mask"]);
        assert_eq!(found.inputs[1].shape[1], found.inputs[0].shape[1]);
    }
}
