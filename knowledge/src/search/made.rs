//! The width that a layer was made for by a default of the library, where small parts hand over less: a sum of two parts'
//! widths has a field of its own, whose name does not say of what.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{Role, get, join, nodes, role};

/// How many fields may hold the width by default.
const FEW: usize = 3;

/// Plans in which a field whose default is what the layer was made for has the width that the layer is given.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let Some((_, shapes)) = said.split_once("shapes cannot be multiplied (") else {
        return Vec::new();
    };
    let [_, given, made, ..] = text::numbers(shapes)[..] else {
        return Vec::new();
    };
    let mut holders: Vec<String> = Vec::new();
    for node in nodes(card) {
        for field in &node.fields {
            let path = join(&node.path, &field.name);
            let width = !matches!(
                role(&field.common),
                Role::Token | Role::Depth | Role::Vocabulary
            );
            let default = field.default.as_u64() == Some(made) && !field.computed;
            if width && default && get(&plan.config, &path).is_none() {
                holders.push(path);
            }
        }
    }
    if holders.len() > FEW || given == made {
        return Vec::new();
    }
    let axis = if holders.len() == 1 { STATED } else { "sizes" };
    holders
        .iter()
        .map(|path| {
            let mut next = plan.clone();
            put_named(card, &mut next.config, path, Value::from(given));
            let reason = format!("by default a layer is made for {made}, and is given {given}");
            let key = format!("config.{path}");
            Candidate::setting(next, &key, searched(axis, finding, reason))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn a_default_that_a_layer_was_made_for_becomes_what_it_is_given() {
        let card = fixtures::card(serde_json::json!({
            "config_fields": [
                {"name": "code_dim", "default": 2048},
                {"name": "vocab_size", "default": 2048}
            ]
        }));
        let said = "mat1 and mat2 shapes cannot be multiplied (16x128 and 2048x8)";
        let finding = fixtures::finding(Stage::Forward, said);
        let found = candidates(&card, &fixtures::features(), &finding);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].plan.config["code_dim"], Value::from(128));
        // What the plan sets already is another search's to change.
        assert!(candidates(&card, &found[0].plan, &finding).is_empty());
    }
}
