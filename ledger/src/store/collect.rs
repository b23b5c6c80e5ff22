//! What lies in the store that no record names.
//!
//! A record names an artefact by its digest, wherever it stands: in the evidence of a verdict, in the row of a sweep, in the
//! result of a step. So every digest in a record counts as needed, and with a manifest the files that it lists. What is in
//! `incoming/` was never finished.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use rusqlite::Connection;

use super::Store;
use crate::{
    Ledger,
    error::{self, Result},
};

/// Where records are that may name an artefact.
const RECORDS: [&str; 4] = [
    "SELECT json FROM verdicts",
    "SELECT json FROM sweep_rows",
    "SELECT result FROM steps",
    "SELECT artefacts FROM steps",
];

/// No manifest is larger: it lists at most some thousand files.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// A file of the store that no record needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unneeded {
    pub path: PathBuf,
    pub bytes: u64,
}

impl Ledger {
    /// The files of the store that no record needs. They may only be removed by one who holds [`Alone`](crate::Alone): a run
    /// stores its artefacts before it records what names them.
    pub fn unneeded(&self) -> Result<Vec<Unneeded>> {
        let named = {
            let connection = self.connection();
            named(&connection).map_err(|source| self.failed(source))?
        };
        self.store.unneeded(named)
    }
}

/// Every digest in a record.
fn named(connection: &Connection) -> rusqlite::Result<BTreeSet<Digest>> {
    let mut named = BTreeSet::new();
    for query in RECORDS {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let json: String = row.get(0)?;
            named.extend(json.split('"').filter_map(Digest::parse));
        }
    }
    Ok(named)
}

impl Store {
    fn unneeded(&self, mut needed: BTreeSet<Digest>) -> Result<Vec<Unneeded>> {
        let mut listed = BTreeSet::new();
        for digest in &needed {
            let path = self.place(digest)?;
            let Some(there) = super::metadata(&path)? else {
                continue;
            };
            // Most artefacts are no manifests, which is no error.
            if there.len() <= LARGEST_MANIFEST
                && let Ok(manifest) = self.manifest(digest)
            {
                listed.extend(manifest.files.into_iter().map(|file| file.digest));
            }
        }
        needed.append(&mut listed);
        let incoming = self.incoming();
        let mut found = Vec::new();
        for shelf in children(self.folder())? {
            if !shelf.is_dir() {
                continue;
            }
            for path in children(&shelf)? {
                if shelf != incoming && digest_of(&shelf, &path).is_none_or(|d| needed.contains(&d))
                {
                    continue;
                }
                if let Some(there) = super::metadata(&path)?.filter(|there| there.is_file()) {
                    found.push(Unneeded {
                        bytes: there.len(),
                        path,
                    });
                }
            }
        }
        Ok(found)
    }
}

/// The digest that a place stands for; nothing for a file that the store did not put there.
fn digest_of(shelf: &Path, path: &Path) -> Option<Digest> {
    let name = format!(
        "{}{}",
        shelf.file_name()?.to_str()?,
        path.file_name()?.to_str()?
    );
    Digest::parse(&name)
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(folder).map_err(error::io("list", folder))? {
        children.push(entry.map_err(error::io("list", folder))?.path());
    }
    children.sort();
    Ok(children)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{NewStep, testing::begin};

    #[test]
    fn only_what_a_record_names_is_needed_a_manifest_with_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path()).unwrap();
        let store = ledger.store();
        let root = folder.path().join("artefact");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("a"), "one of two").unwrap();
        fs::write(root.join("b"), "two of two").unwrap();
        let several = store.put_files(&root, &["a", "b"]).unwrap();
        let alone = store.put_bytes(b"alone").unwrap();
        let nobody = store.put_bytes(b"nobody's").unwrap();
        let unfinished = store.incoming().join(".tmp1");
        fs::write(&unfinished, "half").unwrap();
        let stray = store.folder().join("ab");
        fs::create_dir_all(&stray).unwrap();
        fs::write(stray.join("README"), "not the store's").unwrap();
        ledger
            .record_step(&NewStep {
                key: &Digest::of("key"),
                step: "judge openvino",
                run: &begin(&ledger),
                result: &json!({"evidence": {"artefact": several, "other": [alone]}}),
                artefacts: &[],
                seconds: 0.0,
            })
            .unwrap();
        let mut found: Vec<PathBuf> = ledger
            .unneeded()
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect();
        found.sort();
        let mut expected = vec![unfinished, store.get(&nobody).unwrap()];
        expected.sort();
        assert_eq!(found, expected);
    }
}
