//! The runtimes that execute an artefact. What is known of each is data: `backends.toml`.

use std::{fmt, str::FromStr, sync::LazyLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{format::Format, plan::Rewrite};

const TABLE: &str = include_str!("../backends.toml");

/// What is known of a backend.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendSpec {
    /// As people and programs write it.
    pub name: String,
    /// As sentences name it.
    pub title: String,
    /// The format of the artefact that it executes.
    pub reads: Format,
    pub runner: Runner,
    /// The device on which it must execute.
    pub device: String,
    /// The part of the runtime on which every node must be placed.
    pub provider: String,
    /// What has to be installed beside the Python environment.
    pub component: Option<String>,
    /// The Python packages that a skillset needs for it; the first is looked for in the environment.
    #[serde(default)]
    pub packages: Vec<String>,
    /// The row of the judge's table of tolerances.
    pub tolerance: String,
    /// Whether a session takes one combination of sizes, so that one is made for each.
    #[serde(default)]
    pub fixed_sizes: bool,
    /// What is rewritten in the ONNX graph of a first plan for it, since its provider lacks an operator or computes it
    /// wrongly.
    #[serde(default)]
    pub rewrites: Vec<Rewrite>,
    /// Whether types that generate are also run on it with a cache.
    pub generates: bool,
}

/// What executes a backend's artefacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runner {
    /// A module of the Python worker.
    Python,
    /// ONNX Runtime, loaded by the `ort` crate.
    Ort,
    /// A script of the web worker, in Node.
    Node,
    /// A script of the web worker, in a page of a browser without a screen.
    Browser,
}

static SPECS: LazyLock<Vec<BackendSpec>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Table {
        backend: Vec<BackendSpec>,
    }
    // The table is part of the program: a test reads it, so a program with a wrong one is never built.
    toml::from_str::<Table>(TABLE).map_or_else(|_| Vec::new(), |table| table.backend)
});

/// A runtime that executes an artefact, by its place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Backend(u8);

impl Backend {
    pub const TORCH_CPU: Backend = Backend(0);
    pub const ONNXRUNTIME: Backend = Backend(1);
    pub const OPENVINO: Backend = Backend(2);

    /// Every backend that this version executes, in the order in which they are shown.
    pub fn all() -> impl DoubleEndedIterator<Item = Backend> + Clone {
        (0..SPECS.len()).map(|place| Backend(place as u8))
    }

    pub fn spec(self) -> &'static BackendSpec {
        &SPECS[usize::from(self.0)]
    }

    pub fn as_str(self) -> &'static str {
        &self.spec().name
    }

    /// How wide a column is that holds the name of any backend.
    pub fn width() -> usize {
        Backend::all()
            .map(|it| it.as_str().len())
            .max()
            .unwrap_or(0)
    }

    /// The format of the artefact that it executes.
    pub fn reads(self) -> Format {
        self.spec().reads
    }

    /// Whether it runs the skillset's own module, and has no artefact.
    pub fn runs_module(self) -> bool {
        self.reads() == Format::Module
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of no backend.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no backend; the backends are {known}", known = known())]
pub struct UnknownBackend(pub String);

fn known() -> String {
    let names: Vec<&str> = Backend::all().map(Backend::as_str).collect();
    names.join(", ")
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Backend::all()
            .find(|backend| backend.as_str() == text)
            .ok_or_else(|| UnknownBackend(text.to_owned()))
    }
}

impl Serialize for Backend {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_backend_is_read_back_from_its_name() {
        for backend in Backend::all() {
            assert_eq!(backend.as_str().parse(), Ok(backend));
            let written = serde_json::to_string(&backend).unwrap();
            assert_eq!(serde_json::from_str::<Backend>(&written).unwrap(), backend);
        }
        assert_eq!(Backend::TORCH_CPU.as_str(), "torch-cpu");
        assert_eq!(Backend::ONNXRUNTIME.as_str(), "onnxruntime");
        assert_eq!(Backend::OPENVINO.as_str(), "openvino");
    }

    #[test]
    fn every_backend_has_a_name_of_its_own_and_says_where_it_executes() {
        let names: BTreeSet<&str> = Backend::all().map(Backend::as_str).collect();
        assert_eq!(names.len(), Backend::all().count());
        for backend in Backend::all() {
            let spec = backend.spec();
            assert!(!spec.title.is_empty() && !spec.device.is_empty() && !spec.provider.is_empty());
            assert!(
                !spec.packages.is_empty() || spec.component.is_some(),
                "{backend}"
            );
            assert!(
                spec.rewrites.is_empty() || spec.reads == Format::Onnx,
                "{backend}"
            );
        }
    }

    #[test]
    fn an_unknown_backend_names_the_known_ones() {
        let error = "cuda".parse::<Backend>().unwrap_err();
        assert!(error.to_string().contains("onnxruntime"));
    }
}
