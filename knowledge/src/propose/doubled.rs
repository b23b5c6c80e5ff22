//! Filters that every stage doubles: the last stage of many is as wide as two to the power of their number.

use std::collections::BTreeMap;

use serde_json::Value;

use super::tree::Node;

/// The widest stage that a small model needs.
const WIDEST: u64 = 1024;
/// Fewer filters than any group of them has.
const FEWEST: u64 = 4;

/// Gives the first stage fewer filters where the last would be wide. The stages are as many as a list of the ratios has
/// entries by which each changes the length.
pub fn shrink(node: &Node, found: &mut BTreeMap<String, Value>) {
    let ratios = node.fields.iter().filter_map(|field| {
        let set = found.get(&field.name).unwrap_or(&field.default);
        let ratios = field.name.ends_with("sampling_ratios");
        ratios.then(|| set.as_array().map(Vec::len)).flatten()
    });
    let Some(stages) = ratios.max().and_then(|n| u32::try_from(n).ok()) else {
        return;
    };
    for field in &node.fields {
        let filters = field.name.ends_with("filters") && !field.name.contains("kernel");
        let Some(first) = field.default.as_u64().filter(|_| filters) else {
            continue;
        };
        let mut small = first;
        while small > FEWEST
            && small.is_multiple_of(2)
            && small.checked_shl(stages).is_none_or(|last| last > WIDEST)
        {
            small /= 2;
        }
        if small != first {
            found.insert(field.name.clone(), Value::from(small));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::Field;

    fn filters(first: u64, ratios: &[u64]) -> Option<Value> {
        let field = |name: &str, default: Value| Field {
            name: name.into(),
            common: name.into(),
            default,
            computed: false,
            inherited: false,
        };
        let node = Node {
            path: String::new(),
            model_type: None,
            fields: vec![
                field("num_filters", json!(first)),
                field("upsampling_ratios", json!(ratios)),
            ],
        };
        let mut found = BTreeMap::new();
        shrink(&node, &mut found);
        found.remove("num_filters")
    }

    #[test]
    fn filters_that_many_stages_double_are_few() {
        assert_eq!(filters(32, &[8, 5, 5, 4, 2, 2]), Some(json!(16)));
        assert_eq!(filters(32, &[8, 5, 4, 2]), None);
    }
}
