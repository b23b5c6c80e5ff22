//! What is taken of a folder that a user names: modelling code, configuration and weights, by their names.
//!
//! The folder may be anybody's. The main process reads it outside of every wall, and what it reads is shown to jobs and
//! committed. So these hold, each with an error that names the file where it does not:
//!
//! - Only files of the folder itself are taken whose names say what they are ([`kind`]). Others, hidden files and
//!   subfolders are neither read nor shown to a job, so that nothing outside the digest can change a result.
//! - A link is taken where it leads to a plain file inside the folder. In a snapshot of a hub's cache
//!   (`models--…/snapshots/…`) that is given as a checkpoint, also where it leads into the `blobs` of the same entry.
//! - Pipes and devices are refused at once, and so is what is larger than the limits below. Weights are hashed as a
//!   stream, and stay where they are.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use portwright_sandbox::plain::{self, PlainError};

/// The largest file of code or configuration. The longest index of weights that is known has 9 MB.
const LARGEST_TEXT: u64 = 16 << 20;
/// All files of code and configuration together.
const MOST_TEXT: u64 = 64 << 20;
/// All weights together: hashing them takes minutes.
const MOST_WEIGHTS: u64 = 64 << 30;
/// The most files that are taken.
const MOST_FILES: usize = 2_000;
/// The most entries of a folder that are looked through.
const MOST_ENTRIES: usize = 100_000;

/// What a folder is given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Modelling code, which is ported with weights that are drawn.
    Modelling,
    /// A configuration with trained weights.
    Checkpoint,
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Code or configuration.
    Text,
    Weights,
}

/// Weights, which stay where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weights {
    /// The plain file, no link.
    pub path: PathBuf,
    pub digest: Digest,
}

/// What was taken, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub texts: BTreeMap<String, Vec<u8>>,
    pub weights: BTreeMap<String, Weights>,
}

/// Why a folder is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot look into the folder {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("the folder {} cannot be taken: {source}", path.display())]
    File { path: PathBuf, source: PlainError },
    #[error("the folder {} has {what}; at most {most} are taken", path.display())]
    TooMuch {
        path: PathBuf,
        what: &'static str,
        most: String,
    },
}

impl FolderError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder { .. } => "check the name of the folder and its permissions".to_owned(),
            Self::File { source, .. } => source.hint().to_owned(),
            Self::TooMuch { .. } => {
                "give a folder that holds the model and nothing else".to_owned()
            }
        }
    }
}

/// Takes what `purpose` needs of the folder `root`, whose path is whole and free of links.
pub fn take(root: &Path, purpose: Purpose) -> Result<Taken, FolderError> {
    let unreadable = |source| FolderError::Folder {
        path: root.to_owned(),
        source,
    };
    let too_much = |what, most: String| FolderError::TooMuch {
        path: root.to_owned(),
        what,
        most,
    };
    let mut taken = Taken::default();
    let (mut text, mut weights) = (MOST_TEXT, MOST_WEIGHTS);
    for (count, entry) in fs::read_dir(root).map_err(unreadable)?.enumerate() {
        if count >= MOST_ENTRIES {
            return Err(too_much("too many entries", MOST_ENTRIES.to_string()));
        }
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let kind = name.to_str().and_then(kind);
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        let wanted = !is_folder && (kind == Some(Kind::Text) || purpose == Purpose::Checkpoint);
        let (true, Some(kind), Some(name)) = (wanted, kind, name.to_str()) else {
            tracing::info!("left out of {}: {}", root.display(), name.display());
            continue;
        };
        if taken.texts.len() + taken.weights.len() >= MOST_FILES {
            return Err(too_much("too many files", MOST_FILES.to_string()));
        }
        let failed = |source| FolderError::File {
            path: root.to_owned(),
            source,
        };
        let (base, below) = place(root, name, purpose).map_err(failed)?;
        match kind {
            Kind::Text => {
                let bytes = plain::read(&base, &below, LARGEST_TEXT).map_err(failed)?;
                text = text.checked_sub(bytes.len() as u64).ok_or_else(|| {
                    let most = format!("{} MiB", MOST_TEXT >> 20);
                    too_much("too much code and configuration", most)
                })?;
                taken.texts.insert(name.to_owned(), bytes);
            }
            Kind::Weights => {
                let (_, path, length) = plain::open(&base, &below, u64::MAX).map_err(failed)?;
                weights = weights.checked_sub(length).ok_or_else(|| {
                    too_much("too large weights", format!("{} GiB", MOST_WEIGHTS >> 30))
                })?;
                let (digest, _) = plain::digest(&base, &below, length).map_err(failed)?;
                let file = Weights { path, digest };
                taken.weights.insert(name.to_owned(), file);
            }
        }
    }
    Ok(taken)
}

/// The folder and the path below it at which a file of `root` is read: its own place, or where its link leads.
fn place(root: &Path, name: &str, purpose: Purpose) -> Result<(PathBuf, PathBuf), PlainError> {
    let path = root.join(name);
    let itself = (root.to_owned(), PathBuf::from(name));
    if !path.is_symlink() {
        return Ok(itself);
    }
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(PlainError::Missing { path });
        }
        Err(source) => return Err(PlainError::Io { path, source }),
    };
    if let Ok(below) = real.strip_prefix(root) {
        return Ok((root.to_owned(), below.to_owned()));
    }
    match (blobs(root, purpose), real.parent(), real.file_name()) {
        (Some(blobs), Some(parent), Some(name)) if parent == blobs => Ok((blobs, name.into())),
        _ => Err(PlainError::Outside { path }),
    }
}

/// Where the files of a hub's snapshot are: `models--…/blobs` for `models--…/snapshots/…`.
fn blobs(root: &Path, purpose: Purpose) -> Option<PathBuf> {
    let snapshots = root.parent()?;
    let entry = snapshots.parent()?;
    let is_entry = entry.file_name()?.to_str()?.starts_with("models--");
    let is_snapshot = snapshots.file_name()? == "snapshots" && is_entry;
    (purpose == Purpose::Checkpoint && is_snapshot).then(|| entry.join("blobs"))
}

/// What a name stands for: a Python module, a configuration or an index as the library writes them, weights in the
/// forms that the library reads. `None` for every other name.
fn kind(name: &str) -> Option<Kind> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.starts_with('.') || !name.chars().all(plain) {
        return None;
    }
    let (stem, end) = name.rsplit_once('.')?;
    let is_module = !stem.starts_with(|c: char| c.is_ascii_digit())
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match end {
        "py" => is_module.then_some(Kind::Text),
        "json" => {
            let known = stem == "config" || stem.ends_with("_config") || stem.ends_with(".index");
            known.then_some(Kind::Text)
        }
        "safetensors" | "bin" => Some(Kind::Weights),
        _ => None,
    }
}

impl Taken {
    /// The digest of everything that was taken, by name.
    pub fn digest(&self) -> Result<Digest, serde_json::Error> {
        let texts = self.texts.iter();
        let mut digests: BTreeMap<&str, Digest> = texts
            .map(|(name, content)| (name.as_str(), Digest::of(content)))
            .collect();
        let weights = self.weights.iter();
        digests.extend(weights.map(|(name, file)| (name.as_str(), file.digest.clone())));
        Digest::of_json(&digests)
    }
}

#[cfg(test)]
mod tests;
