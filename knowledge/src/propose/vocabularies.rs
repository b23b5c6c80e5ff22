//! Tables of token ids by name that a configuration leaves empty: the names that the code looks up, each with an id of the
//! small vocabulary.

use portwright_core::card::Vocabulary;
use serde_json::{Map, Value};

use super::{
    inputs::Small,
    senses::placeholders,
    tokens::{RESERVED, TokenMap},
    tree::{Node, join, put},
};

/// Codes of a small codebook.
const CODES: u64 = 64;
const CODEBOOKS: [&str; 3] = ["codebook_size", "num_embeddings", "n_embed"];

/// Fills the tables, with a name for each code of a codebook that is made small for it.
pub fn fill(
    vocabularies: &[Vocabulary],
    nodes: &[Node],
    tokens: &mut TokenMap,
    config: &mut Map<String, Value>,
) {
    for vocabulary in vocabularies {
        let Some(node) = nodes.iter().find(|node| {
            let field = node.field(&vocabulary.field);
            field.is_some_and(|field| field.default.is_null())
        }) else {
            continue;
        };
        let mut table = Map::new();
        for name in &vocabulary.ids {
            let sense = name.trim_matches(|c: char| !c.is_alphanumeric());
            let small = Small {
                nodes,
                config,
                tokens,
            };
            let id = placeholders::id(sense, &small).unwrap_or_else(|| tokens.reserve());
            tokens.name(sense, id);
            table.insert(name.clone(), Value::from(id));
        }
        for codes in &vocabulary.codes {
            let after = "|".repeat(codes.after);
            for code in 0..CODES {
                let name = format!(
                    "{}{code:0digits$}{after}",
                    codes.before,
                    digits = codes.digits
                );
                table.insert(name, Value::from(RESERVED + code));
            }
        }
        if !vocabulary.codes.is_empty() {
            shrink(nodes, config);
        }
        put(
            config,
            &join(&node.path, &vocabulary.field),
            Value::Object(table),
        );
    }
}

fn shrink(nodes: &[Node], config: &mut Map<String, Value>) {
    for node in nodes {
        for field in node
            .fields
            .iter()
            .filter(|f| CODEBOOKS.contains(&f.name.as_str()))
        {
            if field.default.as_u64().is_some_and(|size| size > CODES) {
                put(config, &join(&node.path, &field.name), Value::from(CODES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::card::CodeNames;
    use serde_json::json;

    use super::*;
    use crate::propose::tree::node;

    #[test]
    fn every_name_that_is_looked_up_has_an_id_and_every_code_a_name() {
        let nodes = [
            node("", &[("names", Value::Null), ("image_token_id", json!(7))]),
            node("vq_config", &[("codebook_size", json!(8192))]),
        ];
        let vocabulary = Vocabulary {
            field: "names".into(),
            ids: vec!["<image>".into(), "<row>".into()],
            codes: vec![CodeNames {
                before: "IMG".into(),
                digits: 3,
                after: 1,
            }],
        };
        let mut config = Map::new();
        let mut tokens = TokenMap::new(&nodes);
        fill(&[vocabulary], &nodes, &mut tokens, &mut config);
        let names = &config["names"];
        assert_eq!(names["<image>"], 7);
        assert_ne!(names["<row>"], 7);
        assert_eq!(tokens.named("image"), Some(7));
        assert_eq!(names["IMG005|"], RESERVED + 5);
        assert_eq!(config["vq_config"]["codebook_size"], CODES);
    }
}
