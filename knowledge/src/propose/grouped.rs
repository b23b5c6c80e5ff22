//! Groups of states that the heads of a state space share: a small model has no more of them than heads.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    roles::{Role, role},
    tree::Node,
};

/// Lowers a count of groups that is larger than the small count of heads which stands for the same layers: where a group
/// has no head, nothing is repeated for it. Half as many groups as heads still differ from them.
pub fn shrink(node: &Node, found: &mut BTreeMap<String, Value>) {
    let counts = |name: &str| name == "n_groups" || name.ends_with("_n_groups");
    // Heads of attention are grouped under other names.
    let heads = node.fields.iter().filter(|field| {
        role(&field.name) == Role::Heads
            && ["mamba", "ssm"].iter().any(|it| field.name.contains(it))
    });
    let heads: Option<u64> = heads
        .filter_map(|field| found.get(&field.name).unwrap_or(&field.default).as_u64())
        .min();
    let Some(heads) = heads else { return };
    for field in node.fields.iter().filter(|field| counts(&field.name)) {
        let groups = found.get(&field.name).unwrap_or(&field.default).as_u64();
        if groups.is_some_and(|groups| groups > heads) {
            found.insert(field.name.clone(), Value::from((heads / 2).max(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::Field;

    fn groups(heads: &str, small: u64) -> Option<Value> {
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
            fields: vec![field(heads, json!(128)), field("n_groups", json!(8))],
        };
        let mut found = BTreeMap::from([(heads.to_owned(), json!(small))]);
        shrink(&node, &mut found);
        found.remove("n_groups")
    }

    #[test]
    fn groups_of_states_are_no_more_than_the_heads_that_share_them() {
        assert_eq!(groups("mamba_num_heads", 4), Some(json!(2)));
        assert_eq!(groups("mamba_num_heads", 16), None);
        assert_eq!(groups("num_attention_heads", 4), None);
    }
}
