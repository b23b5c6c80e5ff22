//! The number of placeholder tokens, which the library compares with the number of features and then names both.

use portwright_core::{Finding, PortPlan};

use super::{
    candidate::{Candidate, searched},
    text,
};
use crate::propose::senses::placeholders::{count, resize};

/// The senses by the words with which the library names them; what names none is about every sense.
const WORDS: [(&str, &[&str]); 3] = [
    ("image", &["Image", "image", "Multimodal", "placeholder"]),
    ("video", &["Video", "video", "Multimodal", "placeholder"]),
    (
        "audio",
        &["Audio", "audio", "Speech", "Multimodal", "placeholder"],
    ),
];

/// What torch says where features are fewer than placeholders and the library has not counted them before.
const SHORT: &str = "source < number of ones in mask";

/// Plans with fewer placeholders, where the error does not say how many features there are.
fn fewer(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let mut found = Vec::new();
    for divisor in [4, 2, 16] {
        for (sense, _) in WORDS {
            let fewer = count(plan, sense).map(|count| count / divisor);
            let next = fewer
                .filter(|count| *count > 0)
                .and_then(|count| resize(plan, sense, count));
            if let Some(next) = next {
                let reason = format!("fewer features than {sense} placeholders");
                found.push(Candidate::setting(
                    next,
                    "inputs.input_ids.values.runs",
                    searched("placeholders", finding, reason),
                ));
            }
        }
    }
    found
}

/// Plans whose placeholders are as many as the features that the error counts.
pub fn counted(plan: &PortPlan, finding: &Finding) -> Vec<Candidate> {
    let said = text::said(finding);
    if said.contains(SHORT) {
        return fewer(plan, finding);
    }
    let Some(line) = said
        .lines()
        .find(|line| line.contains("match") && line.contains("features") && line.contains("token"))
    else {
        return Vec::new();
    };
    let [.., tokens, features] = text::numbers(line)[..] else {
        return Vec::new();
    };
    let batch = plan.dims.get("batch").map_or(1, |dim| dim.example).max(1);
    let mut found = Vec::new();
    for (sense, words) in WORDS {
        let Some(before) = count(plan, sense) else {
            continue;
        };
        if !words.iter().any(|word| line.contains(word)) {
            continue;
        }
        // The error counts all rows. Where it found the plan's own tokens it says how many it counts a row.
        let wanted = if tokens > 0 && (before * features) % tokens == 0 {
            before * features / tokens
        } else {
            features / batch
        };
        let Some(next) = resize(plan, sense, wanted).filter(|_| wanted > 0) else {
            continue;
        };
        let reason = format!("{features} features stand against {tokens} placeholders");
        found.push(Candidate::setting(
            next,
            "inputs.input_ids.values.runs",
            searched("placeholders", finding, reason),
        ));
    }
    found
}
