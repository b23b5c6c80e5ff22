//! Features that are written to the places of their placeholders by index: torch then counts both, and names neither.

use portwright_core::{Finding, PortPlan};

use super::{
    candidate::{Candidate, searched},
    placeholders::WORDS as SENSES,
    stated::STATED,
    text,
};
use crate::propose::senses::placeholders::{count, resize};

/// What torch says between the rows that it was given and the places that it found for them.
const VALUES: &str = "value tensor of shape [";
const PLACES: &str = "cannot be broadcast to indexing result of shape [";

/// Plans with as many placeholders as there are features, for each sense whose placeholders are as many as the places.
pub fn candidates(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    let Some((features, places)) = rows(&said) else {
        return Vec::new();
    };
    let batch = plan.dims.get("batch").map_or(1, |dim| dim.example).max(1);
    let wanted = features / batch;
    if wanted == 0 || !features.is_multiple_of(batch) {
        return Vec::new();
    }
    SENSES
        .iter()
        .filter(|(sense, _)| count(plan, sense).is_some_and(|own| own * batch == places))
        .filter_map(|(sense, _)| {
            let next = resize(plan, sense, wanted)?;
            let reason = format!("{features} features are written to {places} places");
            let provenance = searched(STATED, finding, reason);
            let key = "inputs.input_ids.values.runs";
            Some(Candidate::setting(next, key, provenance))
        })
        .collect()
}

/// The rows that were given and the places, where both have the same width and differ in number alone.
fn rows(said: &str) -> Option<(u64, u64)> {
    let sizes = |words: &str| {
        let (_, shape) = said.split_once(words)?;
        Some(text::numbers(shape.split(']').next()?))
    };
    match (&sizes(VALUES)?[..], &sizes(PLACES)?[..]) {
        ([rows, wide], [places, width]) if wide == width && rows != places => {
            Some((*rows, *places))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::{Stage, plan::Values};

    use super::*;
    use crate::search::fixtures;

    #[test]
    fn features_that_are_written_by_index_get_as_many_places() {
        let plan = fixtures::prompt(
            r#"{ id = 3, at = 1, count = 16, marks = "image" }, { id = 4, at = 18, count = 4, marks = "audio" }"#,
            "",
        );
        let said = "RuntimeError: shape mismatch: value tensor of shape [26, 64] cannot be broadcast to indexing \
                    result of shape [32, 64]";
        let found = candidates(&plan, &fixtures::finding(Stage::Forward, said));
        let Values::Tokens { runs, .. } = &found[0].plan.input("input_ids").unwrap().values else {
            panic!("the text has placeholders")
        };
        assert_eq!(
            runs.iter().map(|run| run.count).collect::<Vec<_>>(),
            [13, 4]
        );
        assert_eq!(found.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(a in "\\PC*", b in "\\PC*") {
            let _ = rows(&format!("{a}{VALUES}{b}{PLACES}{a}"));
        }
    }
}
