//! Artefacts of several files: a manifest lists them, and its digest stands for all of them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use portwright_core::Digest;
use serde::{Deserialize, Serialize};

use super::{Store, plain_file};
use crate::error::{self, LedgerError, Result, decode, encode};

/// The files of an artefact, by path. Two folders with the same files have the same manifest and so the same digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub files: Vec<Entry>,
}

/// A file of an artefact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Relative, with `/` between its parts.
    pub path: String,
    pub digest: Digest,
    pub bytes: u64,
}

impl Store {
    /// Stores the named files below `root` and answers with the digest of their manifest. The names may come from a
    /// job: an absolute one, one that climbs with `..` and one that leads through a symbolic link are refused.
    pub fn put_files<S: AsRef<str>>(&self, root: &Path, files: &[S]) -> Result<Digest> {
        let names: BTreeSet<&str> = files.iter().map(AsRef::as_ref).collect();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let path = below(root, name)?;
            let digest = self.put_file(&path)?;
            let bytes = plain_file(&self.get(&digest)?)?.len();
            entries.push(Entry {
                path: name.to_owned(),
                digest,
                bytes,
            });
        }
        let manifest = encode("a manifest", &Manifest { files: entries })?;
        self.put_bytes(manifest.as_bytes())
    }

    /// Stores every file below `root` and answers with the digest of their manifest.
    pub fn put_folder(&self, root: &Path) -> Result<Digest> {
        let mut files = Vec::new();
        walk(root, "", &mut files)?;
        self.put_files(root, &files)
    }

    /// The files of an artefact that [`Store::put_files`] or [`Store::put_folder`] stored.
    pub fn manifest(&self, digest: &Digest) -> Result<Manifest> {
        let bytes = self.read(digest)?;
        decode("a manifest", &String::from_utf8_lossy(&bytes))
    }

    /// Writes copies of an artefact's files below `destination`.
    pub fn materialise_folder(&self, digest: &Digest, destination: &Path) -> Result<()> {
        fs::create_dir_all(destination).map_err(error::io("create", destination))?;
        for entry in self.manifest(digest)?.files {
            self.materialise(&entry.digest, &below(destination, &entry.path)?)?;
        }
        Ok(())
    }

    /// Verifies the manifest and every file it lists.
    pub fn verify_folder(&self, digest: &Digest) -> Result<()> {
        self.verify(digest)?;
        for entry in self.manifest(digest)?.files {
            self.verify(&entry.digest)?;
        }
        Ok(())
    }
}

/// The path of `name` below `root`, which must be a real folder all the way down.
fn below(root: &Path, name: &str) -> Result<PathBuf> {
    let refuse = |path: &Path, why| LedgerError::NotPlain {
        path: path.to_owned(),
        why,
    };
    let mut path = root.to_owned();
    for part in Path::new(name).components() {
        if is_link(&path)? {
            return Err(refuse(&path, "it is a symbolic link"));
        }
        match part {
            Component::Normal(part) => path.push(part),
            _ => return Err(refuse(Path::new(name), "it leads out of its folder")),
        }
    }
    if path == root {
        return Err(refuse(root, "the name of the file is empty"));
    }
    Ok(path)
}

fn is_link(path: &Path) -> Result<bool> {
    Ok(super::metadata(path)?.is_some_and(|there| there.is_symlink()))
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    if is_link(folder)? {
        return Err(LedgerError::NotPlain {
            path: folder.to_owned(),
            why: "it is a symbolic link",
        });
    }
    for entry in fs::read_dir(folder).map_err(error::io("list", folder))? {
        let entry = entry.map_err(error::io("list", folder))?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| LedgerError::NotPlain {
            path: path.clone(),
            why: "its name is not UTF-8",
        })?;
        let kind = entry.file_type().map_err(error::io("look at", &path))?;
        if kind.is_dir() {
            walk(&path, &format!("{prefix}{name}/"), files)?;
        } else {
            // Anything that is no plain file is refused when it is stored.
            files.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::{super::tests::store, *};

    #[test]
    fn a_folder_comes_back_as_it_was() {
        let (folder, store) = store();
        let root = folder.path().join("artefact");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("model.xml"), "<net/>").unwrap();
        fs::write(root.join("sub/model.bin"), [7; 100]).unwrap();
        let digest = store.put_folder(&root).unwrap();
        let copy = folder.path().join("copy");
        store.materialise_folder(&digest, &copy).unwrap();
        assert_eq!(fs::read(copy.join("sub/model.bin")).unwrap(), [7; 100]);
        assert_eq!(store.put_folder(&copy).unwrap(), digest);
        let listed = store.put_files(&root, &["sub/model.bin", "model.xml"]);
        assert_eq!(listed.unwrap(), digest);
        let bytes: u64 = store
            .manifest(&digest)
            .unwrap()
            .files
            .iter()
            .map(|entry| entry.bytes)
            .sum();
        assert_eq!(bytes, 106);
    }

    #[test]
    fn damage_to_one_file_is_damage_to_the_folder() {
        let (folder, store) = store();
        let root = folder.path().join("artefact");
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("a"), "a").unwrap();
        let digest = store.put_folder(&root).unwrap();
        store.verify_folder(&digest).unwrap();
        let path = store.get(&Digest::of("a")).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "b").unwrap();
        let error = store.verify_folder(&digest).unwrap_err();
        assert!(matches!(error, LedgerError::ArtefactCorrupt { .. }));
    }

    #[test]
    fn a_name_that_leads_outside_is_refused() {
        let (folder, store) = store();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        let root = folder.path().join("artefact");
        fs::create_dir_all(&root).unwrap();
        symlink(folder.path(), root.join("link")).unwrap();
        let absolute = folder.path().join("secret").display().to_string();
        for name in ["../secret", "link/secret", &absolute, ""] {
            let error = store.put_files(&root, &[name]).unwrap_err();
            assert!(
                matches!(error, LedgerError::NotPlain { .. }),
                "{name}: {error:?}"
            );
        }
    }

    #[test]
    fn a_folder_that_holds_or_is_a_symbolic_link_is_refused() {
        let (folder, store) = store();
        let root = folder.path().join("artefact");
        fs::create_dir_all(&root).unwrap();
        symlink(folder.path(), root.join("link")).unwrap();
        assert!(store.put_folder(&root).is_err());
        assert!(store.put_folder(&root.join("link")).is_err());
    }
}
