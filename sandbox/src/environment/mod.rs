//! The Python environment: found in the user's cache folder, or built there from the committed lock file.
//!
//! An environment is built once and shared by all checkouts. It lies in `envs/<key>` of the cache folder, where the
//! key is a hash of the lock's text, Python's minor version and the platform. It is built beside its place, under a
//! lock on a file, and moved there whole: a killed build leaves a folder that no one uses and the next build removes.

mod build;
mod component;
mod error;
mod lock;
mod options;
mod packages;
mod progress;
mod python;
mod resolve;
mod space;
mod spec;
mod stamp;
mod tool;
mod uv;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

pub use component::{Component, Installed};
pub use error::EnvironmentError;
pub use options::{Asked, Options};
pub use packages::fetch_packages;
pub use progress::Progress;
pub use python::Interpreter;
pub use space::free_bytes;
pub use spec::Spec;
pub use uv::Uv;

use stamp::Stamp;

/// A finished environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    pub root: PathBuf,
    /// The environment's own interpreter. Call tools as `python -m …`: their scripts are not used.
    pub python: PathBuf,
    pub site_packages: PathBuf,
    /// Names what it was built from; part of the identity of everything that is made with it.
    pub key: String,
    /// E.g. `3.11.7`.
    pub python_version: String,
    /// Version by normalised package name, e.g. `onnx-ir`.
    pub versions: BTreeMap<String, String>,
    /// Every folder that a sandbox must be able to read so that the interpreter works: this root and its base.
    pub readable: Vec<PathBuf>,
}

impl Environment {
    /// The finished environment of `spec`, if it is there. Reads one small file and starts no process, unless a
    /// Python was asked for that the environment was not built from.
    pub fn open(spec: &Spec, options: &Options) -> Result<Option<Self>, EnvironmentError> {
        let envs = options.environments();
        let built = python::MINORS
            .iter()
            .filter_map(|minor| Self::read(&envs.join(spec.key(*minor))));
        let Some(asked) = &options.python else {
            return Ok(built.into_iter().next());
        };
        let asked = python::on_search_path(asked, options).canonicalize().ok();
        for environment in built {
            // The environment's interpreter is a link to the one it was built from.
            if asked.is_some() && environment.python.canonicalize().ok() == asked {
                return Ok(Some(environment));
            }
        }
        let minor = Interpreter::find(options)?.minor;
        Ok(Self::read(&envs.join(spec.key(minor))))
    }

    /// The environment of `spec`, built first where it is not there yet.
    pub fn ensure(
        spec: &Spec,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, EnvironmentError> {
        match Self::open(spec, options)? {
            Some(built) => Ok(built),
            None => build::build(spec, options, progress),
        }
    }

    /// The locked environment in this user's cache folder, built first where it is not there yet.
    pub fn locked() -> Result<Self, EnvironmentError> {
        Self::ensure(
            &Spec::locked(),
            &Options::new(Asked::default())?,
            &mut |_| {},
        )
    }

    /// The version of an installed package.
    pub fn version(&self, package: &str) -> Option<&str> {
        self.versions
            .get(&stamp::normalised(package))
            .map(String::as_str)
    }

    pub fn transformers(&self) -> Option<&str> {
        self.version("transformers")
    }

    pub fn torch(&self) -> Option<&str> {
        self.version("torch")
    }

    /// The library that the `onnxruntime` wheel brings along.
    pub fn onnxruntime_library(&self) -> Result<PathBuf, EnvironmentError> {
        onnxruntime_in(&self.site_packages).ok_or_else(|| EnvironmentError::NoOnnxruntime {
            root: self.root.clone(),
        })
    }

    /// Reads a folder as an environment; `None` unless it is finished and its interpreter is still there.
    fn read(root: &Path) -> Option<Self> {
        let stamp = Stamp::read(root)?;
        let python = root.join("bin/python");
        // A link: its target goes away when the Python it was built from is removed.
        if !python.exists() {
            return None;
        }
        let mut readable = vec![root.to_owned()];
        readable.extend(stamp.base_folders);
        Some(Self {
            root: root.to_owned(),
            python,
            site_packages: root.join(stamp.site_packages),
            key: stamp.key,
            python_version: stamp.python_version,
            versions: stamp.versions,
            readable,
        })
    }
}

/// The library that a wheel of ONNX Runtime has put below a folder of packages.
pub(crate) fn onnxruntime_in(packages: &Path) -> Option<PathBuf> {
    let mut libraries: Vec<_> = fs::read_dir(packages.join("onnxruntime/capi"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_onnxruntime(path))
        .collect();
    libraries.sort();
    libraries.pop()
}

fn is_onnxruntime(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        name.starts_with("libonnxruntime.so")
            || (name.starts_with("libonnxruntime.") && name.ends_with(".dylib"))
    })
}
