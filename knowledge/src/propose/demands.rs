//! Equalities that the configuration classes demand, met on top of a small configuration.

use portwright_core::card::{Demand, Demanded};
use serde_json::{Map, Value};

use super::tree::{Node, get, join, put};

/// Sets every demanded field that has another value.
pub fn meet(nodes: &[Node], demands: &[Demand], config: &mut Map<String, Value>) {
    for demand in demands {
        let wanted = match &demand.equals {
            Demanded::Value(value) => Some(value.clone()),
            Demanded::Field(path) => current(nodes, config, path),
        };
        let Some((node, name)) = find(nodes, &demand.path) else {
            continue;
        };
        let Some(wanted) = wanted.filter(|wanted| !wanted.is_null()) else {
            continue;
        };
        let now = current(nodes, config, &demand.path);
        // A demand between things of different kinds was misread.
        let alike = now.as_ref().is_none_or(|now| {
            now.is_null() || std::mem::discriminant(now) == std::mem::discriminant(&wanted)
        });
        // A nested table is built anew from its own class, so what only the parent's choice made hold is said again.
        let lost = node.field(name).is_some_and(|field| field.computed)
            && get(config, &node.path).is_some()
            && get(config, &join(&node.path, name)).is_none();
        if !alike || (now.as_ref() == Some(&wanted) && !lost) {
            continue;
        }
        if let Some(model_type) = node.model_type.as_deref().filter(|_| !node.path.is_empty()) {
            let path = join(&node.path, "model_type");
            if get(config, &path).is_none() {
                put(config, &path, Value::from(model_type));
            }
        }
        put(config, &join(&node.path, name), wanted);
    }
}

fn find<'a>(nodes: &'a [Node], path: &str) -> Option<(&'a Node, &'a str)> {
    let (table, name) = path.rsplit_once('.').unwrap_or(("", path));
    let node = nodes.iter().find(|node| node.path == table)?;
    Some((node, node.field(name)?.name.as_str()))
}

fn current(nodes: &[Node], config: &Map<String, Value>, path: &str) -> Option<Value> {
    let (node, name) = find(nodes, path)?;
    let set = get(config, &join(&node.path, name));
    set.or(node.field(name).map(|field| &field.default))
        .cloned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::node;

    #[test]
    fn demanded_values_and_fields_are_taken_over() {
        let nodes = [
            node("", &[]),
            node(
                "text",
                &[
                    ("width", json!(256)),
                    ("depth", json!(8)),
                    ("shared", json!(3)),
                ],
            ),
        ];
        let demand = |path: &str, equals| Demand {
            path: path.into(),
            equals,
        };
        let mut config = Map::new();
        put(&mut config, "text.depth", json!(2));
        let demands = [
            demand("text.width", Demanded::Value(json!(0))),
            demand("text.shared", Demanded::Field("text.depth".into())),
            demand("text.width", Demanded::Value(json!("no"))),
        ];
        meet(&nodes, &demands, &mut config);
        assert_eq!(
            Value::Object(config),
            json!({"text": {"depth": 2, "width": 0, "shared": 2, "model_type": "inner"}})
        );
    }
}
