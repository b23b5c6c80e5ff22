//! Models of the library `timm` that a configuration takes by their name. Their sizes follow from the name alone, so a
//! small model needs another name; `timm` lists tiny models of each kind for tests.

use serde_json::{Map, Value};

use super::tree::{Node, get, join, put};

/// A tiny stack of attention over patches.
const SMALL_ATTENTION: &str = "test_vit";

/// Names of stacks of attention, which are the large ones, become that of the tiny one. Stacks of convolutions are small
/// enough, and what follows them is made for the number of their stages.
pub fn shrink(nodes: &[Node], config: &mut Map<String, Value>) {
    for node in nodes.iter().filter(|node| !node.path.is_empty()) {
        let Some(field) = node.fields.iter().find(|f| f.name == "architecture") else {
            continue;
        };
        if !field
            .default
            .as_str()
            .is_some_and(|name| name.starts_with("vit_"))
        {
            continue;
        }
        if let Some(model_type) = &node.model_type {
            put(
                config,
                &join(&node.path, "model_type"),
                Value::from(model_type.as_str()),
            );
        }
        // A nested configuration is built anew from its table, so what its parent had set must be said again.
        for said in node
            .fields
            .iter()
            .filter(|f| f.inherited && !f.default.is_null())
        {
            let path = join(&node.path, &said.name);
            if get(config, &path).is_none() {
                put(config, &path, said.default.clone());
            }
        }
        let path = join(&node.path, &field.name);
        put(config, &path, Value::from(SMALL_ATTENTION));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::Field;

    #[test]
    fn a_large_model_of_another_library_becomes_a_tiny_one() {
        let field = |name: &str, default: Value, inherited| Field {
            name: name.into(),
            common: name.into(),
            default,
            computed: false,
            inherited,
        };
        let node = Node {
            path: "vision_config".into(),
            model_type: Some("foreign".into()),
            fields: vec![
                field("architecture", json!("vit_large_patch14"), true),
                field("do_pooling", json!(true), true),
            ],
        };
        let mut config = Map::new();
        shrink(&[node], &mut config);
        assert_eq!(
            Value::Object(config),
            json!({"vision_config": {"model_type": "foreign", "do_pooling": true, "architecture": "test_vit"}})
        );
    }
}
