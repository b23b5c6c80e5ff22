//! Components: what some backends need beside the Python environment, such as the web runtime.
//!
//! A component is fetched once by `portwright setup NAME`, through the package registry it lies in and by that registry's
//! own client, with every package pinned by a hash in the program. It lies in `components/NAME-KEY` of the cache folder,
//! where the key is a hash of its lock; a folder without its note is none.

mod npm;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Options,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
    progress::Progress,
    uv::{remove_folder, with_suffix},
};

/// The note that a component is whole.
const NOTE: &str = "portwright-component.json";

/// What can be installed.
#[derive(Debug)]
pub struct Component {
    /// As people name it.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// The manifest and the lock of npm.
    manifest: &'static str,
    lock: &'static str,
    /// The package whose version is shown.
    package: &'static str,
}

/// A component that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub root: PathBuf,
    /// The program that runs it.
    pub program: PathBuf,
    /// Of the package that it is about.
    pub version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    program: PathBuf,
    version: String,
}

impl Component {
    pub const ALL: [Component; 1] = [Component {
        name: "web",
        about: "ONNX Runtime for the web, which runs in Node",
        manifest: include_str!("../../../components/web/package.json"),
        lock: include_str!("../../../components/web/package-lock.json"),
        package: "onnxruntime-web",
    }];

    pub fn named(name: &str) -> Option<&'static Component> {
        const ALL: &[Component] = &Component::ALL;
        ALL.iter().find(|component| component.name == name)
    }

    /// The version of the package that it is about.
    pub fn pinned(&self) -> String {
        let manifest: serde_json::Value = serde_json::from_str(self.manifest).unwrap_or_default();
        let version = manifest["dependencies"][self.package].as_str();
        version.unwrap_or("latest").to_owned()
    }

    fn root(&self, cache: &Path) -> PathBuf {
        let hash = Sha256::new()
            .chain_update(self.manifest)
            .chain_update(self.lock)
            .finalize();
        let key: String = hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        cache
            .join("components")
            .join(format!("{}-{key}", self.name))
    }

    /// The component in a cache folder, if it is there and the program that runs it is too.
    pub fn open(&self, cache: &Path) -> Option<Installed> {
        let root = self.root(cache);
        let note: Note = serde_json::from_str(&fs::read_to_string(root.join(NOTE)).ok()?).ok()?;
        note.program.is_file().then_some(Installed {
            root,
            program: note.program,
            version: note.version,
        })
    }

    /// The component, fetched first where it is not there yet.
    pub fn install(
        &self,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Installed, EnvironmentError> {
        if let Some(installed) = self.open(&options.cache_dir) {
            return Ok(installed);
        }
        let root = self.root(&options.cache_dir);
        let parent = options.cache_dir.join("components");
        fs::create_dir_all(&parent).map_err(io_error("create", &parent))?;
        let lock = BuildLock::take(&with_suffix(&root, ".lock"), progress)?;
        if let Some(installed) = self.open(&options.cache_dir) {
            return Ok(installed);
        }
        let building = with_suffix(&root, ".building");
        remove_folder(&building)?;
        let built = self
            .build(&building, options, &lock, progress)
            .and_then(|()| {
                remove_folder(&root)?;
                fs::rename(&building, &root).map_err(io_error("move into place", &building))
            });
        if let Err(error) = built {
            remove_folder(&building)?;
            return Err(error);
        }
        self.open(&options.cache_dir).ok_or_else(|| {
            io_error("read the new component", &root)(std::io::ErrorKind::NotFound.into())
        })
    }

    fn build(
        &self,
        building: &Path,
        options: &Options,
        lock: &BuildLock,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EnvironmentError> {
        fs::create_dir_all(building).map_err(io_error("create", building))?;
        let write = |name: &str, text: &str| {
            let path = building.join(name);
            fs::write(&path, text).map_err(io_error("write", &path))
        };
        write("package.json", self.manifest)?;
        write("package-lock.json", self.lock)?;
        let program = npm::node(options)?;
        npm::fetch(building, &program, options, lock, progress)?;
        let note = Note {
            version: npm::version(building, self.package)?,
            program,
        };
        // A note is two texts: it is always JSON.
        write(NOTE, &serde_json::to_string(&note).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_is_found_by_its_name_and_locked_by_hashes() {
        for component in &Component::ALL {
            assert_eq!(
                Component::named(component.name).unwrap().name,
                component.name
            );
            let lock: serde_json::Value = serde_json::from_str(component.lock).unwrap();
            for (name, package) in lock["packages"].as_object().unwrap() {
                assert!(
                    name.is_empty() || package["integrity"].is_string(),
                    "{name}"
                );
                // A lock names no server: the package comes from whichever registry is set up.
                assert!(package["resolved"].is_null(), "{name}");
            }
        }
        assert!(Component::named("nothing").is_none());
    }

    #[test]
    fn a_folder_without_its_note_or_its_program_is_no_component() {
        let cache = tempfile::tempdir().unwrap();
        let [web] = &Component::ALL;
        let root = web.root(cache.path());
        fs::create_dir_all(&root).unwrap();
        assert_eq!(web.open(cache.path()), None);
        fs::write(
            root.join(NOTE),
            r#"{"program": "/nowhere/node", "version": "1"}"#,
        )
        .unwrap();
        assert_eq!(web.open(cache.path()), None);
        fs::write(root.join(NOTE), r#"{"program": "/bin/sh", "version": "1"}"#).unwrap();
        assert_eq!(web.open(cache.path()).unwrap().version, "1");
    }
}
