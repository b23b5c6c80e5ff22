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

/// The most files of an artefact.
const MOST_FILES: usize = 10_000;

impl Manifest {
    /// The digest that stands for all files: what [`Store::put_files`] answers with.
    pub fn digest(&self) -> Result<Digest> {
        Ok(Digest::of(encode("a manifest", self)?))
    }

    /// The size of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// Reads the named files below `root` and stores nothing. The names may come from a job: an absolute one, one that climbs
/// with `..`, one that leads through a symbolic link and one where no file can be read are refused. So are more files than
/// any artefact has, and more than `most` bytes, before a byte is read: holes count, and so does every name of one file.
pub fn outline<S: AsRef<str>>(root: &Path, files: &[S], most: u64) -> Result<Manifest> {
    let names: BTreeSet<&str> = files.iter().map(AsRef::as_ref).collect();
    if names.len() > MOST_FILES {
        return Err(LedgerError::TooLarge {
            why: format!("it has {} files, and may have {MOST_FILES}", names.len()),
        });
    }
    let mut places = Vec::with_capacity(names.len());
    let mut total = 0_u64;
    for name in names {
        let path = below(root, name)?;
        let file = plain_file(&path).map_err(|error| unreadable(&path, error))?;
        total = total.saturating_add(file.len());
        places.push((name, path));
    }
    if total > most {
        return Err(LedgerError::TooLarge {
            why: format!(
                "its files have {} MiB, and may have {} MiB",
                total >> 20,
                most >> 20
            ),
        });
    }
    let mut entries = Vec::with_capacity(places.len());
    for (name, path) in places {
        let (digest, bytes) =
            super::write::digest_and_length(&path).map_err(|error| unreadable(&path, error))?;
        entries.push(Entry {
            path: name.to_owned(),
            digest,
            bytes,
        });
    }
    Ok(Manifest { files: entries })
}

/// A file that a job names and that cannot be read is the job's fault, and none of the ledger's.
fn unreadable(path: &Path, error: LedgerError) -> LedgerError {
    match error {
        LedgerError::Io { .. } | LedgerError::ReadOnly { .. } => LedgerError::NotPlain {
            path: path.to_owned(),
            why: "no file that can be read is there",
        },
        other => other,
    }
}

impl Store {
    /// Stores the named files below `root` and answers with the digest of their manifest. The names may come from a job,
    /// and are refused as [`outline`] refuses them.
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
    let there = super::metadata(path).map_err(|error| unreadable(path, error))?;
    Ok(there.is_some_and(|there| there.is_symlink()))
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
    fn an_outline_is_what_would_be_stored_and_stores_nothing() {
        let (folder, store) = store();
        let root = folder.path().join("artefact");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("model.xml"), "<net/>").unwrap();
        fs::write(root.join("sub/model.bin"), [7; 100]).unwrap();
        let names = ["model.xml", "sub/model.bin"];
        let outline = outline(&root, &names, 106).unwrap();
        assert_eq!(outline.bytes(), 106);
        assert!(!store.contains(&outline.digest().unwrap()).unwrap());
        assert_eq!(
            store.put_files(&root, &names).unwrap(),
            outline.digest().unwrap()
        );
    }

    #[test]
    fn what_is_more_than_allowed_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a"), [7; 100]).unwrap();
        let refused = |names: &[String], most| match outline(root, names, most).unwrap_err() {
            LedgerError::TooLarge { why } => why,
            other => panic!("{other:?}"),
        };
        let one = |name: &str| vec![name.to_owned()];
        assert!(refused(&one("a"), 99).contains("MiB"));
        // Holes take no room here, and all of it where they are copied.
        fs::File::create(root.join("holes"))
            .unwrap()
            .set_len(1 << 42)
            .unwrap();
        assert!(refused(&one("holes"), 1 << 40).contains("4194304 MiB"));
        // Many spellings of one name are as many files to read.
        let spelt: Vec<String> = (1..=200).map(|n| format!("{}a", "./".repeat(n))).collect();
        assert!(outline(root, &spelt, 1 << 30).is_err());
        let slashes: Vec<String> = (1..=200)
            .map(|n| format!("sub{}a", "/".repeat(n)))
            .collect();
        fs::create_dir(root.join("sub")).unwrap();
        fs::write(root.join("sub/a"), [7; 100]).unwrap();
        refused(&slashes, 10_000);
        let many: Vec<String> = (0..=MOST_FILES).map(|n| n.to_string()).collect();
        assert!(refused(&many, 1 << 40).contains("10001 files"));
    }

    #[test]
    fn files_that_are_not_there_or_were_swapped_are_the_job_s_fault() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let fifo = std::ffi::CString::new(root.join("fifo").to_str().unwrap()).unwrap();
        // SAFETY: `fifo` is a string with an end.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        symlink("/etc/passwd", root.join("link")).unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        let long = "x".repeat(5000);
        for name in [
            "absent",
            "absent/below",
            "fifo",
            "link",
            "folder",
            "a\0b",
            &long,
        ] {
            let error = outline(root, &[name], 1 << 30).unwrap_err();
            assert!(
                matches!(error, LedgerError::NotPlain { .. }),
                "{name:.20}: {error:?}"
            );
        }
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
