//! Prompts of the fixer: a port fails on a backend, and the rules and the search have no more to try.

use portwright_core::Finding;
use serde::{Deserialize, Serialize};

use crate::Prompt;

/// The most characters of a prompt for a model that is given everything at once. Small models have short contexts:
/// this is about 3,000 tokens.
const SMALL: usize = 10_000;

/// What the answer must look like: one call of one tool. The schema that goes with the request says it exactly.
const FORMAT: &str = include_str!("../fixer/format.md");

/// The standing instructions of a dialogue.
#[derive(Clone, Debug, Serialize)]
pub struct System {}

impl Prompt for System {
    const NAME: &'static str = "fixer/system.md";
    const TEMPLATE: &'static str = include_str!("../fixer/system.md");
    const FORMAT: &'static str = "";
    const LIMIT: usize = 3_000;
}

/// The question: a plan, what it met, and what was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Repair<'a> {
    pub model_type: &'a str,
    /// The plan as TOML, without its history.
    pub plan: &'a str,
    pub finding: &'a Finding,
    /// The innermost frames of the error, the last one nearest to it.
    pub traceback: &'a str,
    /// Fields of the configuration with their defaults, one a line.
    pub fields: &'a str,
    /// Classes that the plan may use instead of its own.
    pub classes: &'a [String],
    /// The source around the error, where it stands in the library or the model's own folder.
    pub source: Option<&'a Excerpt>,
    /// The keys of the plan's settings that the same failure is met without, all of them together.
    pub needless: &'a [String],
    /// The keys of single settings without which the failure was not met.
    pub needed: &'a [String],
    /// What was tried before, the latest last.
    pub tried: &'a [Tried],
}

/// A piece of source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The file and its first shown line, e.g. `models/bert/modeling_bert.py:120`.
    pub place: String,
    pub text: String,
}

/// A change and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    pub change: String,
    pub outcome: String,
}

impl Prompt for Repair<'_> {
    const NAME: &'static str = "fixer/repair.md";
    const TEMPLATE: &'static str = include_str!("../fixer/repair.md");
    const FORMAT: &'static str = FORMAT;
    const LIMIT: usize = SMALL;
}

/// What a tool showed.
#[derive(Clone, Debug, Serialize)]
pub struct Seen<'a> {
    pub tool: &'a str,
    pub text: &'a str,
}

impl Prompt for Seen<'_> {
    const NAME: &'static str = "fixer/seen.md";
    const TEMPLATE: &'static str = include_str!("../fixer/seen.md");
    const FORMAT: &'static str = FORMAT;
    const LIMIT: usize = 8_000;
}

/// Why an answer was not taken.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected<'a> {
    pub why: &'a str,
}

impl Prompt for Rejected<'_> {
    const NAME: &'static str = "fixer/rejected.md";
    const TEMPLATE: &'static str = include_str!("../fixer/rejected.md");
    const FORMAT: &'static str = FORMAT;
    const LIMIT: usize = 3_000;
}

/// A proposed plan was built and judged, and failed again.
#[derive(Clone, Debug, Serialize)]
pub struct Failed<'a> {
    pub finding: &'a Finding,
    pub traceback: &'a str,
}

impl Prompt for Failed<'_> {
    const NAME: &'static str = "fixer/failed.md";
    const TEMPLATE: &'static str = include_str!("../fixer/failed.md");
    const FORMAT: &'static str = FORMAT;
    const LIMIT: usize = 5_000;
}

#[cfg(test)]
mod tests;
