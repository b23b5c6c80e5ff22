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
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn an_image_of_which_patches_are_drawn_gets_a_single_one() {
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_fields": [{"name": "image_size", "default": 384}, {"name": "patch_size", "default": 32}],
            "modalities": ["image", "text"]
        }));
        let plan = fixtures::plan(
            r#"

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
        );
        let finding = fixtures::finding(
            Stage::Forward,
            "the forward draws random numbers, on which its outputs depend: x",
        );
        let found = candidates(&card, &plan, &finding).unwrap();
        assert_eq!(found.plan.config["image_size"], serde_json::json!(8));
    }
}
