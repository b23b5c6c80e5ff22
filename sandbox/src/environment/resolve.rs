//! Works out the lock of an environment that asks for another release of transformers.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Options, Spec,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
    python::Interpreter,
    tool::{self, Failure},
    uv::Uv,
};

const STEP: &str = "resolving packages";

/// uv, for one resolution after the other in one folder.
pub(super) struct Resolver<'a> {
    pub uv: &'a Uv,
    pub python: &'a Interpreter,
    pub options: &'a Options,
    pub lock: &'a BuildLock,
    /// Where inputs and outputs are written; removed by the caller.
    pub folder: &'a Path,
}

impl Resolver<'_> {
    /// The lock of `spec` with `release`: what is locked already stays wherever it fits.
    pub fn resolve(&self, spec: &Spec, release: &str) -> Result<String, EnvironmentError> {
        let mut failure = None;
        for relaxed in [false, true] {
            let requirements = spec.edited_requirements(release, relaxed);
            // uv reads the versions of an output that is already there as preferences.
            match self.compile(&requirements, &spec.lock, &["--generate-hashes"])? {
                Ok(lock) => return Ok(lock),
                Err(failed) if is_conflict(&failed) => failure = Some(failed),
                Err(failed) => return Err(failed.into_error(STEP, "uv", self.folder)),
            }
            if !self.exists(release)? {
                return Err(EnvironmentError::NoSuchRelease {
                    version: release.into(),
                    near: self.near(release)?,
                });
            }
        }
        Err(EnvironmentError::Unresolvable {
            version: release.into(),
            output: failure.map(|failed| failed.tail).unwrap_or_default(),
        })
    }

    fn exists(&self, release: &str) -> Result<bool, EnvironmentError> {
        let asked = format!("transformers=={release}\n");
        match self.compile(&asked, "", &["--no-deps"])? {
            Ok(_) => Ok(true),
            Err(failed) if is_conflict(&failed) => Ok(false),
            Err(failed) => Err(failed.into_error(STEP, "uv", self.folder)),
        }
    }

    /// The releases just below and just above one that does not exist.
    fn near(&self, release: &str) -> Result<Vec<String>, EnvironmentError> {
        let mut near = Vec::new();
        for (relation, resolution) in [("<", "highest"), (">", "lowest")] {
            let asked = format!("transformers{relation}{release}\n");
            let flags = ["--no-deps", "--resolution", resolution];
            // A guess that fails only leaves the error without that neighbour.
            if let Ok(lock) = self.compile(&asked, "", &flags)? {
                let version = lock
                    .lines()
                    .find_map(|line| line.strip_prefix("transformers=="));
                near.extend(version.map(|text| text.trim().to_owned()));
            }
        }
        Ok(near)
    }

    fn compile(
        &self,
        requirements: &str,
        preferences: &str,
        flags: &[&str],
    ) -> Result<Result<String, Failure>, EnvironmentError> {
        let input = self.write("asked.in", requirements)?;
        let output = self.write("resolved.lock", preferences)?;
        let mut command = tool::command(&self.uv.path, self.options);
        command
            .args([
                "pip",
                "compile",
                "--no-annotate",
                "--no-header",
                "--no-build",
                "--quiet",
            ])
            .args(flags)
            .arg("--python")
            .arg(&self.python.executable)
            .arg("--output-file")
            .arg(&output)
            .arg(&input);
        match tool::run(command, Some(self.lock), &mut |_| {})? {
            Ok(_) => fs::read_to_string(&output)
                .map(Ok)
                .map_err(io_error("read", output)),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, EnvironmentError> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(io_error("write", &path))?;
        Ok(path)
    }
}

fn is_conflict(failure: &Failure) -> bool {
    failure.tail.contains("No solution found")
}
