//! Placeholders that the library wants in whole groups, whose size it names by a field of the configuration.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::{
    get, join, nodes,
    senses::placeholders::{count, resize},
};

/// What stands between the tokens and the field that must divide their number.
const WORDS: &str = "not divisible by ";

/// Plans with one group of placeholders and with two.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let Some(line) = said
        .lines()
        .find(|line| line.contains(WORDS) && line.contains("token"))
    else {
        return Vec::new();
    };
    let name: String = line
        .split(WORDS)
        .nth(1)
        .unwrap_or_default()
        .chars()
        .skip_while(|c| matches!(c, '`' | '\''))
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let group = nodes(card).iter().find_map(|node| {
        let field = node.fields.iter().find(|field| field.name == name)?;
        let set = get(&plan.config, &join(&node.path, &name));
        set.unwrap_or(&field.default)
            .as_u64()
            .filter(|group| *group > 0)
    });
    let sense = ["image", "video", "audio"]
        .into_iter()
        .find(|sense| line.contains(sense) && count(plan, sense).is_some());
    let (Some(group), Some(sense)) = (group, sense) else {
        return Vec::new();
    };
    [group, 2 * group]
        .into_iter()
        .filter_map(|wanted| {
            let next = resize(plan, sense, wanted)?;
            let reason = format!("placeholders stand in groups of {}", Value::from(group));
            let provenance = searched("placeholders", finding, reason);
            let key = "inputs.input_ids.values.runs";
            Some(Candidate::setting(next, key, provenance))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use portwright_core::{Stage, plan::Values};

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn as_many_placeholders_as_a_group_has_are_tried() {
        let card: InterfaceCard = fixtures::card(serde_json::json!({
            "config_fields": [{"name": "patch_size", "default": 16}],
            "modalities": ["text"]
        }));
        let plan = fixtures::plan(
            r#"

[config]
patch_size = 8

[dims]
batch = { example = 2, other = 3 }
sequence = { example = 12, other = 15 }

[[inputs]]
name = "input_ids"
dtype = "int64"
shape = ["batch", "sequence"]
modality = "text"
values = { kind = "tokens", low = 24, high = 99, runs = [{ id = 3, at = 1, count = 4, marks = "image" }] }
"#,
        );
        let finding = fixtures::finding(
            Stage::Forward,
            "At least one sample has <image> tokens not divisible by patch_size.",
        );
        let found = candidates(&card, &plan, &finding);
        let Values::Tokens { runs, .. } = &found[0].plan.input("input_ids").unwrap().values else {
            panic!("the text has placeholders")
        };
        assert_eq!(runs[0].count, 8);
    }
}
