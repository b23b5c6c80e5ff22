//! Ids that only the model's code has a number for, or that the configuration declares beyond the small vocabulary.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{RESERVED, VOCABULARY, get, join, nodes};

/// How a name of an id ends.
const ENDS: [&str; 3] = ["token_id", "token_index", "_token"];

/// The plan with a small number for every id that the failing code indexes with, where the error says that an index lies
/// beyond the vocabulary. The model takes such a number from its configuration under the same name.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, after) = said.split_once("index ")?;
    let [index, .., size] = text::numbers(after.lines().next()?)[..] else {
        return None;
    };
    if !after.contains("out of bounds") || index < size || size <= RESERVED {
        return None;
    }
    let all = nodes(card);
    let mut next = plan.clone();
    // Ids that are drawn lie above these.
    let mut free = (0..RESERVED).rev();
    for name in read(&text::code(finding)) {
        let declared = all
            .iter()
            .find_map(|node| Some((node, node.fields.iter().find(|f| f.name == name)?)));
        let path = match declared {
            Some((node, field)) => {
                let path = join(&node.path, &field.name);
                let set = get(&plan.config, &path).unwrap_or(&field.default);
                if set.as_u64().is_some_and(|id| id < size) {
                    continue;
                }
                path
            }
            None => name,
        };
        put_named(card, &mut next.config, &path, Value::from(free.next()?));
    }
    let reason = format!("an id lies beyond the {size} of the small vocabulary");
    (next != *plan).then(|| Candidate::setting(next, "config", searched(STATED, finding, reason)))
}

/// What torch says of an id beyond the rows of an embedding.
pub(super) const BEYOND: &str = "index out of range in self";

/// The plan in which the lists of ids that the configuration declares lie within the small vocabulary, where an id lies
/// beyond a table: the forward writes them over what was drawn.
pub fn listed(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    if !text::said(finding).contains(BEYOND) {
        return None;
    }
    let mut next = plan.clone();
    for node in nodes(card) {
        let lists = ["codes", "_ids", "tokens"];
        let named = |name: &str| lists.iter().any(|end| name.ends_with(end));
        for field in node.fields.iter().filter(|field| named(&field.name)) {
            let path = join(&node.path, &field.name);
            let set = get(&plan.config, &path).unwrap_or(&field.default);
            let ids: Option<Vec<u64>> = set
                .as_array()
                .and_then(|ids| ids.iter().map(Value::as_u64).collect());
            let Some(ids) = ids.filter(|ids| ids.iter().any(|id| *id >= VOCABULARY)) else {
                continue;
            };
            let small: Vec<u64> = ids.iter().map(|id| id % VOCABULARY).collect();
            put_named(card, &mut next.config, &path, Value::from(small));
        }
    }
    let reason = "ids that the configuration lists lie beyond the small vocabulary";
    (next != *plan).then(|| Candidate::setting(next, "config", searched(STATED, finding, reason)))
}

/// The names of ids that the code reads from its own instance or its configuration, each once.
fn read(code: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, words) in code.match_indices("self.") {
        let path: String = code[at + words.len()..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
            .collect();
        let name = path.rsplit('.').next().unwrap_or_default().to_owned();
        if ENDS.iter().any(|end| name.ends_with(end)) && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use portwright_core::{
        Signature, Stage,
        job::{Frame, JobError},
    };

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn ids_are_read_once_by_their_names() {
        let code = "logits[:, [self.good_token_index, self.config.bad_token_id, self.good_token_index, self.size]]";
        assert_eq!(read(code), ["good_token_index", "bad_token_id"]);
    }

    #[test]
    fn an_index_that_only_code_knows_moves_into_the_small_vocabulary() {
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "modalities": ["text"]
        }));
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch"]
modality = "text"
values = { kind = "integer", low = 24, high = 128 }
"#,
        );
        let finding = Finding {
            stage: Stage::Forward,
            backend: None,
            signature: Signature::phrase("x"),
            message: "index 10784 is out of bounds for dimension 0 with size 128".into(),
            error: Some(JobError {
                frames: vec![Frame {
                    file: "modeling.py".into(),
                    line: 1,
                    function: "forward".into(),
                    code: "logits[:, -1, [self.yes_token_index]]".into(),
                    ..Frame::default()
                }],
                ..JobError::default()
            }),
            hint: None,
        };
        let found = candidates(&card, &plan, &finding).unwrap();
        assert_eq!(found.plan.config["yes_token_index"], Value::from(23));
    }

    #[test]
    fn listed_ids_move_into_the_small_vocabulary() {
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_fields": [{"name": "ending_codes", "default": [83, 45, 248]}],
            "modalities": ["text"]
        }));
        let plan = fixtures::plan(
            r#"

[dims]
batch = { example = 2, other = 3 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch"]
modality = "text"
values = { kind = "integer", low = 24, high = 99 }
"#,
        );
        let finding = fixtures::finding(Stage::Forward, BEYOND);
        let found = listed(&card, &plan, &finding).unwrap();
        let set = get(&found.plan.config, "ending_codes");
        assert_eq!(set, Some(&serde_json::json!([83, 45, 120])));
    }
}
