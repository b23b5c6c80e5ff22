//! Inputs that exclude each other: what the error does not want beside another is left out.

use portwright_core::{Finding, InterfaceCard, PortPlan};

use super::{
    candidate::{Candidate, searched},
    stated::STATED,
    text,
};
use crate::propose::more_input;

/// Ready-made embeddings, which stand for ids.
const EMBEDS: &str = "inputs_embeds";
const IDS: &str = "input_ids";

/// Plans without one of the inputs that the error does not want.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let mut found: Vec<Candidate> = Vec::new();
    for name in unwanted(&said) {
        let mut next = plan.clone();
        next.inputs.retain(|input| input.name != name);
        if next.inputs.len() == plan.inputs.len() {
            continue;
        }
        let takes_embeds = card
            .class(&plan.class)
            .is_some_and(|class| class.inputs.iter().any(|input| input.name == EMBEDS));
        let mut ways = vec![next.clone()];
        if name == IDS && takes_embeds && plan.input(EMBEDS).is_none() {
            ways.extend(more_input(card, &next, EMBEDS));
        }
        // Where nothing else that carries values is left, the embeddings are what the error wants.
        if !next.inputs.iter().any(|input| input.dtype.is_float()) {
            ways.reverse();
        }
        for next in ways {
            let reason = format!("the error does not want `{name}` beside another input");
            let key = format!("inputs.{name}");
            let provenance = searched(STATED, finding, reason);
            found.push(Candidate::setting(next, &key, provenance));
        }
    }
    found
}

/// The names that stand in `both a and b`, and before `is expected to be None`.
fn unwanted(said: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for both in ["both ", "Both "] {
        for (at, _) in said.match_indices(both) {
            let mut words = said[at + both.len()..].split_whitespace();
            if let (Some(a), Some("and"), Some(b)) = (words.next(), words.next(), words.next()) {
                found.extend([name(a), name(b)]);
            }
        }
    }
    for (at, _) in said.match_indices(" is expected to be `None`") {
        found.extend(said[..at].split_whitespace().last().map(name));
    }
    found.retain(|name| !name.is_empty());
    found
}

fn name(word: &str) -> &str {
    word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_that_exclude_each_other_are_read() {
        let said = "You cannot specify both input_ids and inputs_embeds at the same time";
        assert_eq!(unwanted(said), ["input_ids", "inputs_embeds"]);
        let said = "Both `a` and `b` received!";
        assert_eq!(unwanted(said), ["a", "b"]);
        let said = "ValueError: `input_ids` is expected to be `None`";
        assert_eq!(unwanted(said), ["input_ids"]);
        assert!(unwanted("both of them").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(said in "\\PC*(both | is expected to be `None`)\\PC*") {
            let _ = unwanted(&said);
        }
    }
}
