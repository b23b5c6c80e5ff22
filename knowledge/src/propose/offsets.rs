//! Tables of ids beside the text's own, which begin at an offset within the text's vocabulary: the code takes the last id
//! of the one for the last of the other, so what is left of the vocabulary behind an offset must stay.

use serde_json::{Map, Value};

use super::{
    roles::{Role, role},
    sizes::VOCABULARY,
    tree::{Node, get, join, put},
};

/// How the name of such an offset ends.
const OFFSET: &str = "vocab_offset";

/// More ids behind the first offset than a small model has room for.
const MANY: u64 = 1024;

/// Moves the offsets to the end of the small vocabulary, which grows by the tables behind it.
pub fn shift(nodes: &[Node], config: &mut Map<String, Value>) {
    let offsets: Vec<(String, u64)> = nodes
        .iter()
        .flat_map(|node| node.fields.iter().map(move |field| (node, field)))
        .filter(|(_, field)| field.name.ends_with(OFFSET))
        .filter_map(|(node, field)| Some((join(&node.path, &field.name), field.default.as_u64()?)))
        .collect();
    let Some(first) = offsets.iter().map(|(_, offset)| *offset).min() else {
        return;
    };
    let whole = nodes
        .iter()
        .flat_map(|node| node.fields.iter().map(move |field| (node, field)))
        .filter(|(_, field)| role(&field.common) == Role::Vocabulary)
        .filter_map(|(node, field)| Some((join(&node.path, &field.name), field.default.as_u64()?)))
        .max_by_key(|(_, size)| *size);
    let Some((path, size)) = whole.filter(|(_, size)| *size > first && size - first <= MANY) else {
        return;
    };
    // A vocabulary that keeps its size needs no other offsets.
    if get(config, &path).and_then(Value::as_u64) != Some(VOCABULARY) {
        return;
    }
    put(config, &path, Value::from(VOCABULARY + size - first));
    for (path, offset) in offsets {
        put(config, &path, Value::from(VOCABULARY + offset - first));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::propose::Field;

    #[test]
    fn tables_of_ids_follow_the_small_vocabulary_as_they_follow_the_large_one() {
        let node = |path: &str, fields: &[(&str, u64)]| Node {
            path: path.into(),
            model_type: None,
            fields: fields
                .iter()
                .map(|(name, default)| Field {
                    name: (*name).into(),
                    common: (*name).into(),
                    default: json!(default),
                    computed: false,
                    inherited: false,
                })
                .collect(),
        };
        let nodes = [
            node("text_config", &[("vocab_size", 5200)]),
            node(
                "vision_config",
                &[("vocab_size", 100), ("vocab_offset", 5000)],
            ),
            node(
                "audio_config",
                &[("vocab_size", 100), ("vocab_offset", 5100)],
            ),
        ];
        let mut config = Map::new();
        put(&mut config, "text_config.vocab_size", json!(VOCABULARY));
        shift(&nodes, &mut config);
        assert_eq!(
            Value::Object(config),
            json!({
                "text_config": {"vocab_size": VOCABULARY + 200},
                "vision_config": {"vocab_offset": VOCABULARY},
                "audio_config": {"vocab_offset": VOCABULARY + 100},
            })
        );
    }
}
