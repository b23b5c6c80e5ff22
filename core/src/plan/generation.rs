//! How a generative class is run step by step: a prefill of the first tokens, then one decode step per further token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::PortPlan;

/// The recipe of cached generation. The plan in it describes one forward over all tokens, without a cache: what that
/// computes is what the steps must compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationPlan {
    pub plan: PortPlan,
    /// The named size that counts tokens, e.g. `sequence`.
    pub axis: String,
    /// The last tokens, each decoded in a step of its own; all before them are the prefill's.
    pub decodes: u64,
    /// When each input of the plan is given.
    pub feeds: BTreeMap<String, Feed>,
}

/// When an input is given, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Feed {
    /// Whole, to the prefill alone: what it says is in the cache afterwards.
    Once,
    /// Whole, to every step, such as the mask of an encoder's tokens.
    Always,
    /// To each step the part of its own tokens, such as their ids; the token axis is at this place.
    Own { place: usize },
    /// To each step the part of all tokens so far, such as a mask.
    SoFar { place: usize },
}

/// The name of a step: `prefill`, then `decode.0`, `decode.1`, …
pub fn step_name(step: usize) -> String {
    match step.checked_sub(1) {
        None => "prefill".to_owned(),
        Some(decode) => format!("decode.{decode}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_prefill() {
        assert_eq!(step_name(0), "prefill");
        assert_eq!(step_name(2), "decode.1");
    }
}
