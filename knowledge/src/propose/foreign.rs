//! Models of the library `timm` that a configuration takes by their name. Their sizes follow from the name alone, so a
//! small model needs another name; `timm` lists tiny models of each kind for tests.

use serde_json::{Map, Value};

use super::tree::{Node, get, join, put};

/// A tiny stack of attention over patches, which is what the large ones are.
pub const SMALL: &str = "test_vit";

/// Words by which a name says that its model is large.
const LARGE: [&str; 3] = ["large", "huge", "giant"];

/// Names that say of themselves that the model is large become that of the tiny one. The others stay: what follows them
/// is made for their stages.
pub fn shrink(nodes: &[Node], config: &mut Map<String, Value>) {
    for node in nodes.iter().filter(|node| !node.path.is_empty()) {
        let Some(field) = node.fields.iter().find(|f| f.name == "architecture") else {
            continue;
        };
        let name = field.default.as_str().unwrap_or_default();
        if !name.split('_').any(|word| LARGE.contains(&word)) {
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
        put(config, &path, Value::from(SMALL));
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
