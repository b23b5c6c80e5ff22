//! Architecture families: model types that share templates.

use std::{fmt, str::FromStr};

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

/// The name of no family.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is no architecture family; the families are encoder-only, decoder-only, encoder-decoder, vision, speech, multimodal, time-series, component"
)]
pub struct UnknownFamily(pub String);

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Family::ALL
            .into_iter()
            .find(|family| family.as_str() == text)
            .ok_or_else(|| UnknownFamily(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_read_back_from_its_name() {
        for family in Family::ALL {
            assert_eq!(family.as_str().parse(), Ok(family));
        }
        let error = "decoder".parse::<Family>().unwrap_err();
        assert!(error.to_string().contains("decoder-only"));
    }
}
