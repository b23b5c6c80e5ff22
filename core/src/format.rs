//! The formats of artefacts, and who makes each from which other: the artefact graph.
//!
//! An artefact is made once for a plan and shared by every backend that reads its format. What it is made from is made
//! first, and shared in the same way.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::plan::Strategy;

/// What an artefact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The skillset's own module: there is no file.
    Module,
    /// An ONNX file, with weights beside it where it is large.
    Onnx,
    /// OpenVINO's intermediate form: an XML file and its weights.
    OpenvinoIr,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Module, Format::Onnx, Format::OpenvinoIr];

    pub fn as_str(self) -> &'static str {
        match self {
            Format::Module => "module",
            Format::Onnx => "onnx",
            Format::OpenvinoIr => "openvino-ir",
        }
    }

    /// The extension of its main file; nothing where there is none.
    pub fn extension(self) -> Option<&'static str> {
        match self {
            Format::Module => None,
            Format::Onnx => Some("onnx"),
            Format::OpenvinoIr => Some("xml"),
        }
    }

    /// Who can make it.
    pub fn makers(self) -> &'static [Strategy] {
        match self {
            Format::Module => &[],
            Format::Onnx => &[
                Strategy::Transformers,
                Strategy::TorchDynamo,
                Strategy::TorchScript,
            ],
            Format::OpenvinoIr => &[
                Strategy::Transformers,
                Strategy::TorchDynamo,
                Strategy::TorchScript,
                Strategy::FromOnnx,
            ],
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name of no format.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{name}` is no format; the formats are {known}", known = known())]
pub struct UnknownFormat {
    pub name: String,
}

fn known() -> String {
    Format::ALL.map(Format::as_str).join(", ")
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut formats = Format::ALL.into_iter();
        let named = formats.find(|format| format.as_str() == text);
        named.ok_or_else(|| UnknownFormat {
            name: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_written_as_it_is_shown_and_read_back() {
        for format in Format::ALL {
            assert_eq!(serde_json::to_value(format).unwrap(), format.as_str());
            assert_eq!(format.as_str().parse(), Ok(format));
        }
        let error = "pdf".parse::<Format>().unwrap_err();
        assert!(error.to_string().contains("openvino-ir"), "{error}");
    }

    #[test]
    fn nothing_is_made_from_itself_and_what_has_a_file_has_a_maker() {
        for format in Format::ALL {
            assert_eq!(format.extension().is_some(), !format.makers().is_empty());
            for maker in format.makers() {
                assert_ne!(maker.reads(), format, "{maker:?}");
            }
        }
    }
}
