//! The tree of a commit: the parent's, with one folder replaced.

use std::{collections::BTreeMap, path::Path};

use git2::{Commit, ObjectType, Oid, Repository};

use super::{RepositoryError, Result, error};

const FILE: i32 = 0o100_644;
const FOLDER: i32 = 0o040_000;

/// The folder to be committed.
pub(super) struct Folder<'f> {
    name: &'f str,
    content: Node<'f>,
}

/// A folder's files and folders.
#[derive(Default)]
struct Node<'f> {
    files: BTreeMap<&'f str, &'f [u8]>,
    folders: BTreeMap<&'f str, Node<'f>>,
}

impl<'f> Folder<'f> {
    /// Sorts files, named by paths with `/`, into folders.
    pub(super) fn holding(name: &'f str, files: &'f BTreeMap<String, Vec<u8>>) -> Result<Self> {
        check_name("a folder", name, name)?;
        let mut content = Node::default();
        for (path, bytes) in files {
            content.insert(path, path, bytes)?;
        }
        Ok(Self { name, content })
    }

    /// Writes the tree of `parent` with this folder in the place of the one it has.
    pub(super) fn replace_in(
        &self,
        repository: &Repository,
        path: &Path,
        parent: Option<&Commit<'_>>,
    ) -> Result<Oid> {
        let write = || {
            let folder = self.content.write(repository)?;
            let base = parent.map(Commit::tree).transpose()?;
            let mut builder = repository.treebuilder(base.as_ref())?;
            builder.insert(self.name, folder, FOLDER)?;
            builder.write()
        };
        write().map_err(|source| error::typed("write the files to", path, source))
    }
}

impl<'f> Node<'f> {
    fn insert(&mut self, path: &'f str, rest: &'f str, bytes: &'f [u8]) -> Result<()> {
        let (name, below) = match rest.split_once('/') {
            Some((name, below)) => (name, Some(below)),
            None => (rest, None),
        };
        check_name("a file", name, path)?;
        let both = || RepositoryError::BadName {
            what: "a file and of a folder",
            name: path.to_owned(),
        };
        match below {
            None if self.folders.contains_key(name) => return Err(both()),
            None => {
                self.files.insert(name, bytes);
            }
            Some(_) if self.files.contains_key(name) => return Err(both()),
            Some(below) => self
                .folders
                .entry(name)
                .or_default()
                .insert(path, below, bytes)?,
        }
        Ok(())
    }

    fn write(&self, repository: &Repository) -> std::result::Result<Oid, git2::Error> {
        let mut builder = repository.treebuilder(None)?;
        let objects = repository.odb()?;
        for (name, bytes) in &self.files {
            builder.insert(name, objects.write(ObjectType::Blob, bytes)?, FILE)?;
        }
        for (name, folder) in &self.folders {
            builder.insert(name, folder.write(repository)?, FOLDER)?;
        }
        builder.write()
    }
}

/// Refuses the names that would lead elsewhere when somebody checks the branch out.
fn check_name(what: &'static str, name: &str, whole: &str) -> Result<()> {
    let bad = matches!(name, "" | "." | "..")
        || name.eq_ignore_ascii_case(".git")
        || name.contains(['/', '\\', '\0']);
    if bad {
        return Err(RepositoryError::BadName {
            what,
            name: whole.to_owned(),
        });
    }
    Ok(())
}
