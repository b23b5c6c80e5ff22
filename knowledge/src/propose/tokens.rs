//! Special token ids: moved inside the small vocabulary, and kept apart from the ids that inputs draw.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    roles::{Role, role},
    tree::Node,
};

/// Ids below this are left for special tokens when a vocabulary shrinks.
pub const RESERVED: u64 = 24;

/// Where each special id goes: the old id to the new, for ids that the small vocabulary no longer holds.
#[derive(Clone, Debug, Default)]
pub struct TokenMap {
    moved: BTreeMap<u64, u64>,
    special: BTreeSet<u64>,
    /// Placeholders that no field of the configuration gives an id, by their sense.
    named: BTreeMap<String, u64>,
}

impl TokenMap {
    /// Reads every special id of the tree. Equal ids stay equal, different ones stay different.
    pub fn new(nodes: &[Node]) -> Self {
        let mut ids = BTreeSet::new();
        for node in nodes {
            for field in &node.fields {
                if role(&field.name) == Role::Token {
                    collect(&field.default, &mut ids);
                }
            }
        }
        let mut map = Self {
            special: ids.iter().copied().filter(|id| *id < RESERVED).collect(),
            ..Self::default()
        };
        let mut free = RESERVED;
        for id in ids.into_iter().filter(|id| *id >= RESERVED) {
            // The highest free id; when all are taken two special tokens share the lowest, which no model forbids.
            free = (0..free)
                .rev()
                .find(|id| !map.special.contains(id))
                .unwrap_or(0);
            map.special.insert(free);
            map.moved.insert(id, free);
        }
        map
    }

    /// A free id for a special token that has none.
    pub fn reserve(&mut self) -> u64 {
        let free = (0..RESERVED)
            .rev()
            .find(|id| !self.special.contains(id))
            .unwrap_or(0);
        self.special.insert(free);
        free
    }

    /// Gives the placeholders of a sense an id.
    pub fn name(&mut self, sense: &str, id: u64) {
        self.named.insert(sense.to_owned(), id);
    }

    /// The id of a sense's placeholders, where it was given here.
    pub fn named(&self, sense: &str) -> Option<u64> {
        self.named.get(sense).copied()
    }

    /// The value with every id inside the small vocabulary.
    pub fn apply(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.apply(item)).collect())
            }
            _ => match value.as_u64().and_then(|id| self.moved.get(&id)) {
                Some(moved) => Value::from(*moved),
                None => value.clone(),
            },
        }
    }

    /// The widest range of ids below `vocabulary` in which no special id lies, as low and exclusive high.
    pub fn ordinary(&self, vocabulary: u64) -> (u64, u64) {
        let mut best = (0, 0);
        let mut low = 0;
        for id in self
            .special
            .iter()
            .copied()
            .filter(|id| *id < vocabulary)
            .chain([vocabulary])
        {
            if id.saturating_sub(low) > best.1 - best.0 {
                best = (low, id);
            }
            low = id + 1;
        }
        best
    }
}

fn collect(value: &Value, ids: &mut BTreeSet<u64>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        _ => ids.extend(value.as_u64()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::tree::node;

    fn map(ids: &[(&str, Value)]) -> TokenMap {
        TokenMap::new(&[node("", ids)])
    }

    #[test]
    fn ids_outside_the_small_vocabulary_move_inside_and_stay_apart() {
        let map = map(&[
            ("bos_token_id", json!(50256)),
            ("eos_token_id", json!([50256, 50300])),
            ("pad_token_id", json!(0)),
        ]);
        let bos = map.apply(&json!(50256));
        let eos = map.apply(&json!([50256, 50300]));
        assert_eq!(eos[0], bos);
        assert_ne!(eos[1], bos);
        assert!(eos[1].as_u64().unwrap() < RESERVED);
        assert_eq!(map.apply(&json!(0)), json!(0));
    }

    #[test]
    fn inputs_draw_ids_that_mean_nothing_special() {
        let map = map(&[("mask_token_id", json!(32)), ("pad_token_id", json!(1))]);
        let (low, high) = map.ordinary(128);
        assert!(low >= 2 && high == 128);
    }
}
