//! Artefacts: files named by the SHA-256 of their bytes.
//!
//! What is in the store is complete: bytes are gathered in `incoming/`, flushed, and moved into place, so a full
//! disk or a kill leaves at most a nameless file in `incoming/`, which may be emptied while no run is going on.
//!
//! Artefacts are made by code that nobody has read, so nothing is followed on the way in (no symbolic link, no
//! device) and nobody gets a second name for a stored file on the way out: [`Store::materialise`] copies (a file
//! system that can share blocks does so), because a job could write through a hard link and change what every later
//! run is given.

mod collect;
mod folder;
mod write;

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use sha2::Digest as _;

use crate::error::{self, LedgerError, Result};

pub use collect::Unneeded;
pub use folder::{Entry, Manifest, outline};

/// The folder with the artefacts.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// Opens the store in `folder`, creating it where there is none.
    pub fn open(folder: PathBuf) -> Result<Self> {
        let store = Self { folder };
        let incoming = store.incoming();
        fs::create_dir_all(&incoming).map_err(error::io("create", &incoming))?;
        Ok(store)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn incoming(&self) -> PathBuf {
        self.folder.join("incoming")
    }

    /// Where the artefact with this digest is or would be.
    fn place(&self, digest: &Digest) -> Result<PathBuf> {
        let digest = error::digest(digest.as_str())?;
        let (shelf, name) = digest.as_str().split_at(2);
        Ok(self.folder.join(shelf).join(name))
    }

    /// Whether the artefact is there.
    pub fn contains(&self, digest: &Digest) -> Result<bool> {
        Ok(metadata(&self.place(digest)?)?.is_some())
    }

    /// The path of an artefact, for reading only.
    pub fn get(&self, digest: &Digest) -> Result<PathBuf> {
        let path = self.place(digest)?;
        match metadata(&path)? {
            Some(_) => Ok(path),
            None => Err(LedgerError::ArtefactMissing {
                digest: digest.clone(),
                path,
            }),
        }
    }

    /// Reads a small artefact.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>> {
        let path = self.get(digest)?;
        fs::read(&path).map_err(error::io("read", &path))
    }

    /// Reads the whole artefact and compares its bytes with its name.
    pub fn verify(&self, digest: &Digest) -> Result<()> {
        let path = self.get(digest)?;
        let found = digest_of_file(&path)?;
        if found == *digest {
            return Ok(());
        }
        Err(LedgerError::ArtefactCorrupt {
            digest: digest.clone(),
            path,
            found,
        })
    }
}

/// The digest of a file's bytes.
pub fn digest_of_file(path: &Path) -> Result<Digest> {
    let mut file = File::open(path).map_err(error::io("open", path))?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(error::io("read", path))?;
        if count == 0 {
            return Ok(Digest::from_hash(&hash.finalize()));
        }
        hash.update(&buffer[..count]);
    }
}

/// What is at `path` itself (a symbolic link is not followed); `None` for nothing.
fn metadata(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error::io("look at", path)(error)),
    }
}

/// Refuses everything but a plain file.
fn plain_file(path: &Path) -> Result<Metadata> {
    let metadata = fs::symlink_metadata(path).map_err(error::io("look at", path))?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    Err(LedgerError::NotPlain {
        path: path.to_owned(),
        why: if metadata.is_symlink() {
            "it is a symbolic link"
        } else if metadata.is_dir() {
            "it is a folder"
        } else {
            "it is a device, pipe or socket"
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("store")).unwrap();
        (folder, store)
    }

    #[test]
    fn a_changed_artefact_is_detected_and_named() {
        let (_folder, store) = store();
        let digest = store.put_bytes(b"weights").unwrap();
        store.verify(&digest).unwrap();
        let path = store.get(&digest).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"weightz").unwrap();
        let error = store.verify(&digest).unwrap_err();
        assert!(matches!(&error, LedgerError::ArtefactCorrupt { found, .. }
            if *found == Digest::of(b"weightz")));
        assert!(error.hint().contains(&path.display().to_string()));
    }

    #[test]
    fn an_absent_artefact_is_an_error_with_its_name() {
        let (_folder, store) = store();
        let digest = Digest::of("absent");
        let error = store.get(&digest).unwrap_err();
        assert!(error.to_string().contains(digest.as_str()));
    }

    #[test]
    fn a_forged_digest_never_becomes_a_path() {
        let (_folder, store) = store();
        let forged: Digest = serde_json::from_str("\"../../etc/passwd\"").unwrap();
        let error = store.get(&forged).unwrap_err();
        assert!(matches!(error, LedgerError::NotADigest { .. }));
    }
}
