//! What can go wrong with a repository, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use git2::ErrorCode;

/// Why a skillset could not be committed. [`RepositoryError::hint`] names the cure.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("there is nothing to commit on `{branch}`: nothing passes, nothing is committed")]
    NothingToCommit { branch: String },
    #[error("`{name}` cannot be the name of {what}")]
    BadName { what: &'static str, name: String },
    #[error("`{}` has files in it and is no Git repository", path.display())]
    NotARepository { path: PathBuf },
    #[error("the repository `{}` belongs to another user", path.display())]
    NotYours { path: PathBuf },
    #[error("the repository `{}` cannot be written: {detail}", path.display())]
    ReadOnly { path: PathBuf, detail: String },
    #[error("the disk (or the quota or file size limit) under `{}` is full: {detail}", path.display())]
    DiskFull { path: PathBuf, detail: String },
    #[error("the branch `{branch}` exists with other content (commit {commit})")]
    BranchTaken { branch: String, commit: String },
    #[error("the branch `{branch}` is locked by another Git process, or by one that died (`{}`)", lock.display())]
    Locked { branch: String, lock: PathBuf },
    #[error("cannot {doing} `{}`: {source}", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("cannot {doing} the repository `{}`: {}", path.display(), source.message())]
    Git {
        doing: &'static str,
        path: PathBuf,
        source: git2::Error,
    },
}

impl RepositoryError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            RepositoryError::NothingToCommit { .. } => {
                "look at the findings of the backends: each says why it did not pass".to_owned()
            }
            RepositoryError::BadName { .. } => {
                "a name has no empty part, no `..`, no `.git`, and no character that Git refuses"
                    .to_owned()
            }
            RepositoryError::NotARepository { path } => format!(
                "name another folder with `--repo`, or make this one a repository: `git init {}`",
                path.display()
            ),
            RepositoryError::NotYours { path } => format!(
                "if you trust it: `git config --global --add safe.directory {}`; else name another with `--repo`",
                path.display()
            ),
            RepositoryError::ReadOnly { path, .. } => format!(
                "make `{}` writable for you, or name another repository with `--repo`",
                path.display()
            ),
            RepositoryError::DiskFull { path, .. } => format!(
                "free some space (or raise the quota or limit) under `{}`, then give the same command again: it goes on where it stopped",
                path.display()
            ),
            RepositoryError::BranchTaken { branch, .. } => format!(
                "rename or delete the branch if you do not need it (`git branch -D {branch}`), then give the same command again"
            ),
            RepositoryError::Locked { lock, .. } => format!(
                "if no Git process is at work there, remove `{}`, then give the same command again",
                lock.display()
            ),
            RepositoryError::Io { path, .. } => {
                format!("check that `{}` exists and can be reached", path.display())
            }
            RepositoryError::Git { path, .. } => format!(
                "see what Git says: `git -C {} fsck`; or name another repository with `--repo`",
                path.display()
            ),
        }
    }
}

/// Types an error of Git's library, which knows most errors of the file system by their text only.
pub(super) fn typed(doing: &'static str, path: &Path, source: git2::Error) -> RepositoryError {
    let path = path.to_owned();
    let says = |texts: &[&str]| texts.iter().any(|text| source.message().contains(text));
    let detail = || source.message().to_owned();
    if source.code() == ErrorCode::Owner {
        RepositoryError::NotYours { path }
    } else if says(&["Permission denied", "Read-only file system"]) {
        RepositoryError::ReadOnly {
            path,
            detail: detail(),
        }
    } else if says(&["No space left", "File too large", "Disk quota exceeded"]) {
        RepositoryError::DiskFull {
            path,
            detail: detail(),
        }
    } else {
        RepositoryError::Git {
            doing,
            path,
            source,
        }
    }
}

/// Types an error of the file system.
pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RepositoryError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            RepositoryError::ReadOnly {
                path,
                detail: source.to_string(),
            }
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            RepositoryError::DiskFull {
                path,
                detail: source.to_string(),
            }
        }
        _ => RepositoryError::Io {
            doing,
            path,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use git2::ErrorClass;

    use super::*;

    fn of(code: ErrorCode, message: &str) -> RepositoryError {
        let source = git2::Error::new(code, ErrorClass::Os, message);
        typed("write", Path::new("repo"), source)
    }

    #[test]
    fn a_full_disk_is_told_from_a_read_only_one() {
        let full = of(ErrorCode::GenericError, "write: No space left on device");
        assert!(matches!(full, RepositoryError::DiskFull { .. }));
        let read_only = of(ErrorCode::GenericError, "open: Read-only file system");
        assert!(matches!(read_only, RepositoryError::ReadOnly { .. }));
    }

    #[test]
    fn a_repository_of_another_user_says_how_to_trust_it() {
        let error = of(ErrorCode::Owner, "not owned by current user");
        assert!(error.hint().contains("safe.directory repo"));
    }
}
