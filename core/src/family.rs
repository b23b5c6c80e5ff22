//! Architecture families: model types that share templates.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Model types that share templates and policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    EncoderOnly,
    DecoderOnly,
    EncoderDecoder,
    Vision,
    Speech,
    Multimodal,
    TimeSeries,
    Component,
}

impl Family {
    pub const ALL: [Family; 8] = [
        Family::EncoderOnly,
        Family::DecoderOnly,
        Family::EncoderDecoder,
        Family::Vision,
        Family::Speech,
        Family::Multimodal,
        Family::TimeSeries,
        Family::Component,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Family::EncoderOnly => "encoder-only",
            Family::DecoderOnly => "decoder-only",
            Family::EncoderDecoder => "encoder-decoder",
            Family::Vision => "vision",
            Family::Speech => "speech",
            Family::Multimodal => "multimodal",
            Family::TimeSeries => "time-series",
            Family::Component => "component",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
