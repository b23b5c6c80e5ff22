//! Reading files that others have left: what a job wrote, and what lies in a folder that the user was given.
//!
//! The main process stands outside of every wall, so it opens nothing but plain files below the folder that was meant.
//! Every part of a path is opened from the one before it, and none of them may be a link: what is swapped meanwhile
//! leads nowhere. A pipe or a device in a file's place does not make it wait, no file is read further than its limit,
//! and whatever may be large is hashed as a stream.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::{Component, Path, PathBuf},
};

use portwright_core::Digest;
use sha2::Digest as _;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    #[error("{} is not there", path.display())]
    Missing { path: PathBuf },
    #[error("{} is {what}; only plain files are read", path.display())]
    NotPlain { path: PathBuf, what: &'static str },
    #[error("{} leads out of its folder", path.display())]
    Outside { path: PathBuf },
    #[error("{} has {bytes} bytes; at most {largest} are read", path.display())]
    TooLarge {
        path: PathBuf,
        bytes: u64,
        largest: u64,
    },
    #[error("{} is not UTF-8 text", path.display())]
    NotText { path: PathBuf },
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl PlainError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "check the name of the file",
            Self::NotPlain { .. } | Self::Outside { .. } => {
                "put a copy of the file into the folder, if it is yours to give"
            }
            Self::TooLarge { .. } => "make the file smaller, or take it out of the folder",
            Self::NotText { .. } => "save it as UTF-8",
            Self::Io { .. } => "check the disk and the permissions of the file",
        }
    }
}

/// Opens a plain file below `root`, which is followed itself, without following any link below it. Answers with the
/// file, its path and its length.
pub fn open(
    root: &Path,
    relative: &Path,
    largest: u64,
) -> Result<(File, PathBuf, u64), PlainError> {
    let mut path = root.to_owned();
    let mut folder: OwnedFd = File::open(root)
        .map_err(|source| failed(root, source))?
        .into();
    let mut parts = relative.components().peekable();
    if parts.peek().is_none() {
        return Err(PlainError::Outside { path });
    }
    while let Some(part) = parts.next() {
        let Component::Normal(name) = part else {
            return Err(PlainError::Outside {
                path: relative.to_owned(),
            });
        };
        path.push(name);
        let name = CString::new(name.as_bytes()).map_err(|error| failed(&path, error.into()))?;
        let kind = match parts.peek() {
            Some(_) => libc::O_DIRECTORY,
            // Without this a pipe in the file's place would make the main process wait.
            None => libc::O_NONBLOCK | libc::O_NOCTTY,
        };
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_CLOEXEC | kind;
        // SAFETY: `name` is NUL-terminated and live for the call, and `folder` is open.
        let opened = unsafe { libc::openat(folder.as_raw_fd(), name.as_ptr(), flags) };
        if opened < 0 {
            return Err(failed(&path, io::Error::last_os_error()));
        }
        // SAFETY: the call above has just made this descriptor, and nobody else owns it.
        folder = unsafe { OwnedFd::from_raw_fd(opened) };
    }
    let file = File::from(folder);
    let meta = file.metadata().map_err(|source| failed(&path, source))?;
    if !meta.is_file() {
        return Err(PlainError::NotPlain {
            path,
            what: "a folder, a pipe or a device",
        });
    }
    if meta.len() > largest {
        return Err(PlainError::TooLarge {
            path,
            bytes: meta.len(),
            largest,
        });
    }
    Ok((file, path, meta.len()))
}

/// The bytes of a plain file below `root`.
pub fn read(root: &Path, relative: &Path, largest: u64) -> Result<Vec<u8>, PlainError> {
    let (file, path, length) = open(root, relative, largest)?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may have grown since it was looked at.
    file.take(largest.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|source| failed(&path, source))?;
    if bytes.len() as u64 > largest {
        return Err(PlainError::TooLarge {
            path,
            bytes: bytes.len() as u64,
            largest,
        });
    }
    Ok(bytes)
}

/// The text of a plain file below `root`.
pub fn read_text(root: &Path, relative: &Path, largest: u64) -> Result<String, PlainError> {
    String::from_utf8(read(root, relative, largest)?).map_err(|_| PlainError::NotText {
        path: root.join(relative),
    })
}

/// The digest and the length of a plain file below `root`, read in pieces.
pub fn digest(root: &Path, relative: &Path, largest: u64) -> Result<(Digest, u64), PlainError> {
    let (mut file, path, _) = open(root, relative, largest)?;
    let mut hash = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0u64;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(failed(&path, source)),
        };
        if count == 0 {
            return Ok((Digest::from_hash(&hash.finalize()), length));
        }
        length += count as u64;
        if length > largest {
            return Err(PlainError::TooLarge {
                path,
                bytes: length,
                largest,
            });
        }
        hash.update(&buffer[..count]);
    }
}

fn failed(path: &Path, source: io::Error) -> PlainError {
    let path = path.to_owned();
    match source.raw_os_error() {
        Some(libc::ELOOP) => PlainError::NotPlain {
            path,
            what: "a symbolic link",
        },
        // A folder was asked for: what is there is a file, or a link.
        Some(libc::ENOTDIR) if path.is_symlink() => PlainError::NotPlain {
            path,
            what: "a symbolic link",
        },
        // A socket, or a pipe that nobody reads.
        Some(libc::ENXIO) => PlainError::NotPlain {
            path,
            what: "a folder, a pipe or a device",
        },
        _ => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PlainError::Missing { path },
            _ => PlainError::Io { path, source },
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn folder() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("folder/sub")).unwrap();
        fs::write(root.path().join("secret"), "secret").unwrap();
        fs::write(root.path().join("folder/sub/file"), "text").unwrap();
        root
    }

    #[test]
    fn a_plain_file_is_read_and_hashed() {
        let root = folder();
        let folder = root.path().join("folder");
        let file = Path::new("sub/file");
        assert_eq!(read_text(&folder, file, 4).unwrap(), "text");
        assert_eq!(digest(&folder, file, 4).unwrap(), (Digest::of("text"), 4));
    }

    #[test]
    fn what_leads_out_of_the_folder_is_not_opened() {
        let root = folder();
        let folder = root.path().join("folder");
        symlink("../secret", folder.join("link")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        let absolute = root.path().join("secret");
        for name in ["link", "up/secret", "../secret", "sub/../../secret", ""] {
            let error = read(&folder, Path::new(name), 100).unwrap_err();
            assert!(
                matches!(
                    error,
                    PlainError::NotPlain { .. } | PlainError::Outside { .. }
                ),
                "{name}: {error:?}"
            );
        }
        assert!(read(&folder, &absolute, 100).is_err());
    }

    #[test]
    fn a_link_is_not_followed_within_the_folder_either() {
        let root = folder();
        symlink("sub", root.path().join("folder/other")).unwrap();
        let error = read(&root.path().join("folder"), Path::new("other/file"), 9).unwrap_err();
        assert!(matches!(error, PlainError::NotPlain { .. }), "{error:?}");
    }

    #[test]
    fn a_pipe_a_folder_and_a_device_are_refused_at_once() {
        let root = folder();
        let pipe = CString::new(root.path().join("pipe").as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is NUL-terminated and live for the call.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        for (root, name) in [
            (root.path(), "pipe"),
            (root.path(), "folder"),
            (Path::new("/dev"), "zero"),
        ] {
            let error = read(root, Path::new(name), 100).unwrap_err();
            assert!(matches!(error, PlainError::NotPlain { .. }), "{error:?}");
        }
    }

    #[test]
    fn a_file_over_its_limit_is_refused_unread() {
        let root = folder();
        let giant = fs::File::create(root.path().join("giant")).unwrap();
        giant.set_len(1 << 40).unwrap();
        for refused in [
            read(root.path(), Path::new("giant"), 1 << 20).map(drop),
            digest(root.path(), Path::new("giant"), 1 << 20).map(drop),
        ] {
            let error = refused.unwrap_err();
            assert!(matches!(error, PlainError::TooLarge { .. }), "{error:?}");
            assert!(error.to_string().contains("1048576"), "{error}");
        }
    }

    #[test]
    fn an_absent_file_says_so() {
        let root = folder();
        for name in ["absent", "absent/file", "secret/file"] {
            let error = read(root.path(), Path::new(name), 1).unwrap_err();
            assert!(matches!(error, PlainError::Missing { .. }), "{error:?}");
        }
    }
}
