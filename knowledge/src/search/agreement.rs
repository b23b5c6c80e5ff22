//! Two numbers of the configuration that the error says must agree, each written with its value: `a.b` (64) must equal
//! `c.d // 4` (16).

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{join, nodes};

/// Words that stand between or behind two things that have to be the same.
const AGREE: [&str; 7] = [
    "must match",
    "must equal",
    "must be equal",
    "must be the same",
    "must agree",
    "should match",
    "should be equal",
];

/// Plans in which one of the two takes the other's value: the first that the sentence names, then the second.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let mut found = Vec::new();
    for sentence in said
        .lines()
        .filter(|line| AGREE.iter().any(|words| line.contains(words)))
    {
        let [(first, is), (second, should), ..] = &written(sentence)[..] else {
            continue;
        };
        for (name, value) in [(first, should), (second, is)] {
            if let Some(value) = value.filter(|_| is != should) {
                found.extend(take_over(card, plan, finding, name, value));
            }
        }
    }
    found
}

/// Everything in the text that is followed by its value in brackets, which may be nothing.
fn written(text: &str) -> Vec<(String, Option<u64>)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('(') {
        let inside = text[at + 1..].split(')').next().unwrap_or_default();
        let value = inside.trim().parse::<u64>().ok();
        if value.is_none() && inside.trim() != "None" {
            continue;
        }
        let before = text[..at].trim_end();
        // A quoted expression is one thing; without quotes it is the last word.
        let name = match before.strip_suffix('`') {
            Some(quoted) => quoted.rsplit('`').next().unwrap_or_default(),
            None => before
                .rsplit(char::is_whitespace)
                .next()
                .unwrap_or_default(),
        };
        if !name.is_empty() {
            found.push((name.to_owned(), value));
        }
    }
    found
}

fn take_over(
    card: &InterfaceCard,
    plan: &PortPlan,
    finding: &Finding,
    name: &str,
    value: u64,
) -> Option<Candidate> {
    let name = name
        .trim_start_matches("self.")
        .trim_start_matches("config.");
    let mut paths: Vec<String> = nodes(card)
        .iter()
        .flat_map(|node| {
            node.fields
                .iter()
                .map(|field| join(&node.path, &field.name))
        })
        .filter(|path| path == name || path.ends_with(&format!(".{name}")))
        .collect();
    // The name as written, where the type's own configuration has it.
    if paths.iter().any(|path| path == name) {
        paths.retain(|path| path == name);
    }
    let mut next = plan.clone();
    for path in &paths {
        put_named(card, &mut next.config, path, Value::from(value));
    }
    let reason = format!("the error says that `{name}` has to agree with {value}");
    (next != *plan).then(|| {
        let key = format!("config.{name}");
        Candidate::setting(next, &key, searched(STATED, finding, reason))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_its_value_in_brackets_is_read() {
        let said = "`inner.width` (128) must equal `text.width // 4` (16). See the note (here).";
        assert_eq!(
            written(said),
            [
                ("inner.width".to_owned(), Some(128)),
                ("text.width // 4".to_owned(), Some(16))
            ]
        );
        assert_eq!(written("`a` (None) and `b` (2) must be equal")[0].1, None);
        assert_eq!(written("depth (3) must match shared (2)")[1].0, "shared");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(said in "\\PC*\\([0-9]{1,3}\\)\\PC*") {
            let _ = written(&said);
        }
    }
}
