//! The runtimes that execute an artefact.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A runtime that executes an artefact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    TorchCpu,
    Onnxruntime,
    Openvino,
}

impl Backend {
    /// Every backend that this version executes, in the order in which they are shown.
    pub const ALL: [Backend; 3] = [Backend::TorchCpu, Backend::Onnxruntime, Backend::Openvino];

    pub fn as_str(self) -> &'static str {
        match self {
            Backend::TorchCpu => "torch-cpu",
            Backend::Onnxruntime => "onnxruntime",
            Backend::Openvino => "openvino",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The name of no backend.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no backend; the backends are torch-cpu, onnxruntime, openvino")]
pub struct UnknownBackend(pub String);

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Backend::ALL
            .into_iter()
            .find(|backend| backend.as_str() == text)
            .ok_or_else(|| UnknownBackend(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_read_back_from_its_name() {
        for backend in Backend::ALL {
            assert_eq!(backend.as_str().parse(), Ok(backend));
        }
    }

    #[test]
    fn an_unknown_backend_names_the_known_ones() {
        let error = "cuda".parse::<Backend>().unwrap_err();
        assert!(error.to_string().contains("onnxruntime"));
    }
}
