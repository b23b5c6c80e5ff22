//! The formats of artefacts, and who makes each from which other: the artefact graph.
//!
//! An artefact is made once for a plan and shared by every backend that reads its format. What it is made from is made
//! first, and shared in the same way.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_written_as_it_is_shown_and_read_back() {
        for format in Format::ALL {
            let written = serde_json::to_value(format).unwrap();
            assert_eq!(written, format.as_str());
            assert_eq!(serde_json::from_value::<Format>(written).unwrap(), format);
        }
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
