//! What a pass does not prove: each limit has a kind, which programs count, and a sentence, which people read.

use serde::{Deserialize, Serialize};

use crate::text::{cut, line};

/// The longest sentence, in characters.
const LONGEST_SENTENCE: usize = 600;

/// One thing that a pass leaves open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub kind: LimitKind,
    /// A whole sentence with the figures or the place that it is about.
    pub sentence: String,
}

impl Limit {
    pub fn new(kind: LimitKind, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            // It may quote a name or an error of the model, and is shown as one sentence.
            sentence: cut(&line(&sentence.into()), LONGEST_SENTENCE),
        }
    }
}

/// What kind of thing is left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKind {
    /// Sizes that the model or the plan does not take, such as a length of one.
    Sizes,
    /// A side of a branch on values or sizes that no input set took.
    Branch,
    /// The conversion made a constant of a value or a size.
    Specialised,
    /// An output that is the same for all inputs.
    ConstantOutput,
    /// An input whose values were never drawn anew.
    UnexercisedInput,
    /// An output whose type has more or fewer bits than PyTorch's.
    OtherType,
    /// Something the model returns that is no tensor.
    NotPortedOutput,
    /// The artefact takes the example's sizes alone.
    FixedAxes,
    /// The model itself amplifies rounding so far that differences below what was allowed say nothing.
    IllConditioned,
    /// A check that could not be made, with its reason.
    NotChecked,
}

impl LimitKind {
    pub const ALL: [LimitKind; 10] = [
        LimitKind::Sizes,
        LimitKind::Branch,
        LimitKind::Specialised,
        LimitKind::ConstantOutput,
        LimitKind::UnexercisedInput,
        LimitKind::OtherType,
        LimitKind::NotPortedOutput,
        LimitKind::FixedAxes,
        LimitKind::IllConditioned,
        LimitKind::NotChecked,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            LimitKind::Sizes => "sizes",
            LimitKind::Branch => "branch",
            LimitKind::Specialised => "specialised",
            LimitKind::ConstantOutput => "constant-output",
            LimitKind::UnexercisedInput => "unexercised-input",
            LimitKind::OtherType => "other-type",
            LimitKind::NotPortedOutput => "not-ported-output",
            LimitKind::FixedAxes => "fixed-axes",
            LimitKind::IllConditioned => "ill-conditioned",
            LimitKind::NotChecked => "not-checked",
        }
    }
}

impl std::fmt::Display for LimitKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_one_sentence_whatever_it_quotes() {
        let limit = Limit::new(LimitKind::Branch, "a\n  b\u{1b}[2J".repeat(1_000));
        assert!(limit.sentence.chars().count() <= LONGEST_SENTENCE + 1);
        assert!(
            limit.sentence.starts_with(r"a b\u{1b}[2Ja b"),
            "{}",
            limit.sentence
        );
    }

    #[test]
    fn a_kind_is_written_as_it_is_shown() {
        for kind in LimitKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
