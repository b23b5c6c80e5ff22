//! Maps of different scales that the code lays side by side: it halves the image and enlarges the features of its patches a
//! fixed number of times, which suits the library's patch and no smaller one.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::put_named,
    text,
};
use crate::propose::{Role, get, join, nodes, role};

/// What torch says of maps that are not of one size.
const UNEQUAL: &str = "Sizes of tensors must match except in dimension";

/// The plan with the library's patches, and an image of as many of them as before.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once(UNEQUAL)?;
    let (_, sizes) = after.split_once("Expected size ")?;
    let [one, other, ..] = text::numbers(sizes)[..] else {
        return None;
    };
    let (less, more) = (one.min(other), one.max(other));
    let halved = less > 0 && more > less && more % less == 0 && (more / less).is_power_of_two();
    if !halved {
        return None;
    }
    let mut next = plan.clone();
    let mut names = Vec::new();
    for node in nodes(card) {
        let patch = node.fields.iter().find(|f| role(&f.common) == Role::Patch);
        let Some(patch) = patch else { continue };
        let path = join(&node.path, &patch.name);
        let (Some(small), Some(own)) = (
            get(&plan.config, &path).and_then(Value::as_u64),
            patch.default.as_u64(),
        ) else {
            continue;
        };
        if small == 0 || own <= small || own % small != 0 {
            continue;
        }
        put_named(card, &mut next.config, &path, Value::from(own));
        names.push(path);
        for image in node
            .fields
            .iter()
            .filter(|f| role(&f.common) == Role::Image)
        {
            let path = join(&node.path, &image.name);
            if let Some(side) = get(&plan.config, &path).and_then(Value::as_u64) {
                put_named(
                    card,
                    &mut next.config,
                    &path,
                    Value::from(side * own / small),
                );
                names.push(path);
            }
        }
    }
    let reason = "maps of different scales are laid side by side, which suits the library's patch";
    let key = format!("config.{}", names.join(","));
    let provenance = searched("scales", finding, reason);
    (next != *plan).then(|| Candidate::setting(next, &key, provenance))
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn maps_of_two_scales_get_the_patch_that_the_code_is_made_for() {
        let source = json!({"file": "any.py", "line": 1});
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_fields": [
                {"name": "image_size", "default": 224, "source": source},
                {"name": "patch_size", "default": 16, "source": source},
            ],
            "modalities": ["image"]
        }));
        let plan = fixtures::plan(
            r#"

[config]
image_size = 32
patch_size = 8

[dims]
batch = { example = 2, other = 3 }

[[inputs]]
name = "pixel_values"
dtype = "float32"
shape = ["batch", 3, 32, 32]
modality = "image"
values = { kind = "normal", mean = 0.0, std = 1.0 }
"#,
        );
        let finding = |sizes: &str| {
            fixtures::finding(
                Stage::Forward,
                format!("RuntimeError: {UNEQUAL} 1. {sizes} for tensor number 1 in the list."),
            )
        };
        let found = candidates(&card, &plan, &finding("Expected size 4 but got size 8")).unwrap();
        assert_eq!(
            Value::Object(found.plan.config),
            json!({"image_size": 64, "patch_size": 16})
        );
        assert!(candidates(&card, &plan, &finding("Expected size 4 but got size 7")).is_none());
    }
}
