//! The note inside a finished environment: that it is finished, and what it holds.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::error::{EnvironmentError, io_error};

/// The name of the note; without it a folder is no environment.
const FILE: &str = "portwright-environment.json";
const SCHEMA: u32 = 1;

/// What is read when an environment is opened, so that no Python has to start for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    pub schema: u32,
    pub key: String,
    /// E.g. `3.11.7`.
    pub python_version: String,
    /// The Python that the environment was built from.
    pub base_executable: PathBuf,
    /// Folders outside the environment that its Python reads.
    pub base_folders: Vec<PathBuf>,
    /// Below the environment's root.
    pub site_packages: PathBuf,
    /// Version by normalised package name.
    pub versions: BTreeMap<String, String>,
}

impl Stamp {
    pub fn new(
        key: &str,
        python: &super::Interpreter,
        root: &Path,
    ) -> Result<Self, EnvironmentError> {
        let site_packages = PathBuf::from(format!(
            "lib/python{}/site-packages",
            python.minor_version()
        ));
        Ok(Self {
            schema: SCHEMA,
            key: key.into(),
            python_version: python.version.clone(),
            base_executable: python.executable.clone(),
            base_folders: python.folders.clone(),
            versions: installed_versions(&root.join(&site_packages))?,
            site_packages,
        })
    }

    /// Reads the note of a finished environment; `None` where it is absent, unreadable or of another form.
    pub fn read(root: &Path) -> Option<Self> {
        let text = fs::read_to_string(root.join(FILE)).ok()?;
        let stamp: Self = serde_json::from_str(&text).ok()?;
        (stamp.schema == SCHEMA).then_some(stamp)
    }

    /// Writes the note and waits until it is on the disk: after this the folder may be moved into place.
    pub fn write(&self, root: &Path) -> Result<(), EnvironmentError> {
        let path = root.join(FILE);
        let write = || {
            let text = serde_json::to_vec_pretty(self)?;
            let mut file = File::create(&path)?;
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(io_error("write", &path))
    }
}

/// What is installed, read from the names of the `*.dist-info` folders.
fn installed_versions(site_packages: &Path) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let mut versions = BTreeMap::new();
    let entries = fs::read_dir(site_packages).map_err(io_error("list", site_packages))?;
    for entry in entries {
        let entry = entry.map_err(io_error("list", site_packages))?;
        let name = entry.file_name();
        let package = name
            .to_str()
            .and_then(|name| name.strip_suffix(".dist-info"))
            .and_then(|name| name.rsplit_once('-'));
        if let Some((name, version)) = package {
            versions.insert(normalised(name), version.to_owned());
        }
    }
    Ok(versions)
}

/// The one spelling of a package's name.
pub(super) fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_without_starting_python() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "typing_extensions-4.16.0.dist-info",
            "torch-2.13.0.dist-info",
            "torch",
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let versions = installed_versions(folder.path()).unwrap();
        assert_eq!(versions["typing-extensions"], "4.16.0");
        assert_eq!(versions["torch"], "2.13.0");
        assert_eq!(versions.len(), 2);
    }

    #[test]
    fn a_damaged_note_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Stamp::read(folder.path()), None);
        fs::write(folder.path().join(FILE), "{\"schema\": 1").unwrap();
        assert_eq!(Stamp::read(folder.path()), None);
    }
}
