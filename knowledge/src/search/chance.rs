//! Patches of an image that the forward draws at random: with one patch there is nothing to draw.

use portwright_core::{Finding, InterfaceCard, PortPlan};

use super::{
    candidate::{Candidate, searched},
    stated::put_named,
    text,
};
use crate::propose::{Role, get, join, nodes, role};

/// The plan with an image of a single patch, where the error is about chance and an image is cut into patches.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains("draws random numbers")
        || !plan.inputs.iter().any(|input| input.modality == "image")
    {
        return None;
    }
    let mut next = plan.clone();
    for node in nodes(card) {
        let field = |wanted: Role| node.fields.iter().find(|f| role(&f.common) == wanted);
        let (Some(image), Some(patch)) = (field(Role::Image), field(Role::Patch)) else {
            continue;
        };
        let patch_path = join(&node.path, &patch.name);
        let side = get(&plan.config, &patch_path).unwrap_or(&patch.default);
        if side.is_number() {
            let path = join(&node.path, &image.name);
            put_named(card, &mut next.config, &path, side.clone());
        }
    }
    let reason = "an image of one patch leaves nothing to draw from";
    (next != *plan).then(|| {
        let provenance = searched("chance", finding, reason);
        Candidate::setting(next, "config.image_size", provenance)
    })
}

#[cfg(test)]
mod tests {
    use portwright_core::{Signature, Stage};

    use super::*;

    #[test]
    fn an_image_of_which_patches_are_drawn_gets_a_single_one() {
        let card: InterfaceCard = serde_json::from_value(serde_json::json!({
            "schema": 1, "model_type": "any", "library_version": "5.20.2", "family": "multimodal",
            "config_class": {"name": "AnyConfig", "module": "any", "source": {"file": "any.py", "line": 1}},
            "config_fields": [{"name": "image_size", "default": 384}, {"name": "patch_size", "default": 32}],
            "attribute_map": {}, "sub_configs": {}, "classes": [], "modalities": ["image", "text"]
        }))
        .unwrap();
        let plan = PortPlan::from_toml(
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

[config]
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
        )
        .unwrap();
        let finding = Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: "the forward draws random numbers, on which its outputs depend: x".into(),
            error: None,
            hint: None,
        };
        let found = candidates(&card, &plan, &finding).unwrap();
        assert_eq!(found.plan.config["image_size"], serde_json::json!(8));
    }
}
