//! The cage as a C library on disk, where the Python fork server can load it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Compiled by `build.rs` from the same source as this crate's own cage.
static LIBRARY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/portwright_cage.library"));

/// Why the library is not on disk.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// This program was built for a system that has no cage.
    #[error("this system has no cage for generated code")]
    Unsupported,
    /// The cache folder cannot be written.
    #[error("cannot write the cage library {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl LibraryError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            LibraryError::Unsupported => {
                "run on Linux, or with --no-sandbox if you trust the generated code"
            }
            LibraryError::Write { .. } => "make the cache folder writable, or name another one",
        }
    }
}

/// Writes the library into `cache_dir`, once, and returns where it is.
///
/// Its name carries its hash, so versions live side by side. It is written under another name and renamed, so that no
/// process ever loads half of it, and one that is there is compared before it is trusted.
pub fn library(cache_dir: &Path) -> Result<PathBuf, LibraryError> {
    if LIBRARY.is_empty() {
        return Err(LibraryError::Unsupported);
    }
    let mut name = String::from("portwright_cage-");
    for byte in &Sha256::digest(LIBRARY)[..8] {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.push_str(".so");
    let path = cache_dir.join(name);
    if std::fs::read(&path).is_ok_and(|present| present == LIBRARY) {
        return Ok(path);
    }
    let failed = |source| LibraryError::Write {
        path: path.clone(),
        source,
    };
    std::fs::create_dir_all(cache_dir).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(cache_dir).map_err(failed)?;
    file.write_all(LIBRARY).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(path)
}
