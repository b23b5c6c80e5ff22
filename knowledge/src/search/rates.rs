//! The rates of one sound: where a model hears it twice, once at a rate of its own, and the strides of the two ways suit
//! another pair of rates than the configuration's, one way leaves more frames than the other by the quotient of the rates.

use portwright_core::{Finding, InterfaceCard, PortPlan};
use serde_json::Value;

use super::{
    candidate::{Candidate, searched},
    stated::{STATED, put_named},
    text,
};
use crate::propose::{get, join, nodes};

const RATES: [&str; 2] = ["sample_rate", "sampling_rate"];
/// How far the quotient of two numbers of frames, which strides round, may be from that of the rates, in hundredths.
const ROUNDED: u64 = 15;

/// The plan in which both ways hear the sound at one rate.
pub fn candidates(card: &InterfaceCard, plan: &PortPlan, finding: &Finding) -> Option<Candidate> {
    let said = text::said(finding);
    let (_, sizes) = said.split_once("Sizes of tensors must match")?;
    let (_, sizes) = sizes.split_once("Expected size ")?;
    let [one, other, ..] = text::numbers(sizes)[..] else {
        return None;
    };
    for node in nodes(card) {
        let rate = |name: &str| {
            let path = join(&node.path, name);
            let default = || node.field(name).map(|field| &field.default);
            get(&plan.config, &path).or_else(default)?.as_u64()
        };
        let own = node.fields.iter().filter(|field| {
            let stem = RATES.iter().find_map(|rate| field.name.strip_suffix(rate));
            stem.is_some_and(|stem| stem.ends_with('_'))
        });
        for field in own {
            let whole = RATES.iter().find_map(|name| Some((*name, rate(name)?)));
            let (Some((name, whole)), Some(heard)) = (whole, rate(&field.name)) else {
                continue;
            };
            if !same_quotient((one, other), (whole, heard)) {
                continue;
            }
            let mut next = plan.clone();
            let path = join(&node.path, name);
            put_named(card, &mut next.config, &path, Value::from(heard));
            let reason = format!(
                "{one} frames beside {other} stand in the proportion of the rates {whole} and {heard}"
            );
            let provenance = searched(STATED, finding, reason);
            return Some(Candidate::setting(
                next,
                &format!("config.{path}"),
                provenance,
            ));
        }
    }
    None
}

/// Whether two numbers stand in about the proportion of two others, whichever of each pair comes first; equal ones do not.
fn same_quotient(frames: (u64, u64), rates: (u64, u64)) -> bool {
    let hundredths = |(a, b): (u64, u64)| (100 * a.max(b)).checked_div(a.min(b));
    match (hundredths(frames), hundredths(rates)) {
        (Some(frames), Some(rates)) => rates > 100 && frames.abs_diff(rates) <= ROUNDED,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use portwright_core::Stage;
    use serde_json::json;

    use super::*;
    use crate::search::fixtures;

    fn tried(said: &str, heard: u64) -> Option<Candidate> {
        let source = json!({"file": "any.py", "line": 1});
        let field =
            |name: &str, rate: u64| json!({"name": name, "default": rate, "source": source});
        let card = fixtures::card(json!({
            "config_fields": [field("sample_rate", 24_000), field("inner_sample_rate", heard)],
        }));
        let finding = fixtures::finding(Stage::Forward, said);
        candidates(&card, &fixtures::prompt("", ""), &finding)
    }

    const SAID: &str = "Sizes of tensors must match except in dimension 1. Expected size 13 but got size 9 for tensor \
                        number 1 in the list.";

    #[test]
    fn two_ways_that_differ_by_the_quotient_of_their_rates_hear_at_one_rate() {
        let found = tried(SAID, 16_000).unwrap();
        assert_eq!(found.plan.config["sample_rate"], 16_000);
    }

    #[test]
    fn other_proportions_and_equal_rates_are_left() {
        assert!(tried(SAID, 8_000).is_none());
        assert!(tried(SAID, 24_000).is_none());
        assert!(tried(&SAID.replace("size 9", "size 13"), 16_000).is_none());
    }
}
