//! Builds an environment in a folder beside its place and moves it there when it is whole.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Environment, Options, Spec,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
    progress::Progress,
    python::Interpreter,
    resolve::Resolver,
    space,
    stamp::Stamp,
    tool,
    uv::{Uv, remove_folder, with_suffix},
};

const BUILDING: &str = ".building";
const LOCK: &str = ".lock";

/// Builds the environment unless another process has built it meanwhile.
pub(super) fn build(
    spec: &Spec,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Environment, EnvironmentError> {
    let python = Interpreter::find(options)?;
    progress(Progress::FoundPython {
        version: python.version.clone(),
        path: python.executable.clone(),
    });
    let envs = options.environments();
    fs::create_dir_all(&envs).map_err(io_error("create", &envs))?;
    let key = spec.key(python.minor);
    let root = envs.join(&key);
    let lock = BuildLock::take(&with_suffix(&root, LOCK), progress)?;
    if let Some(built) = Environment::read(&root) {
        return Ok(built);
    }
    remove_leftovers(&envs, &key)?;
    space::require(&envs, options.needed_bytes)?;
    let uv = Uv::find_or_fetch(&python, options, progress)?;
    progress(Progress::FoundUv {
        version: uv.version.clone(),
        path: uv.path.clone(),
    });
    let job = Build {
        uv: &uv,
        python: &python,
        options,
        lock: &lock,
        building: with_suffix(&root, BUILDING),
    };
    let built = job.require_cache_space().and_then(|()| {
        job.fill(spec, &key, progress)?;
        // What stands here has no valid note: an environment that was damaged by hand.
        remove_folder(&root)?;
        fs::rename(&job.building, &root).map_err(io_error("move into place", &job.building))
    });
    if let Err(error) = built {
        remove_folder(&job.building)?;
        return Err(error);
    }
    progress(Progress::Done { root: root.clone() });
    Environment::read(&root).ok_or_else(|| {
        io_error("read the new environment", &root)(std::io::ErrorKind::NotFound.into())
    })
}

struct Build<'a> {
    uv: &'a Uv,
    python: &'a Interpreter,
    options: &'a Options,
    lock: &'a BuildLock,
    building: PathBuf,
}

impl Build<'_> {
    fn fill(
        &self,
        spec: &Spec,
        key: &str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EnvironmentError> {
        progress(Progress::CreatingEnvironment {
            root: self.building.clone(),
        });
        let mut venv = tool::command(&self.uv.path, self.options);
        venv.args(["venv", "--relocatable", "--python"])
            .arg(&self.python.executable)
            .arg(&self.building);
        self.uv_run(venv, "creating the environment", &mut |_| {})?;
        let lock = match &spec.transformers {
            None => spec.lock.clone(),
            Some(release) => {
                progress(Progress::Resolving {
                    transformers: release.clone(),
                });
                self.resolve(spec, release)?
            }
        };
        let lock_file = self.building.join("requirements.lock");
        fs::write(&lock_file, lock).map_err(io_error("write", &lock_file))?;
        self.install(&lock_file, progress)?;
        Stamp::new(key, self.python, &self.building)?.write(&self.building)
    }

    fn resolve(&self, spec: &Spec, release: &str) -> Result<String, EnvironmentError> {
        let folder = self.building.join("resolve");
        fs::create_dir(&folder).map_err(io_error("create", &folder))?;
        let resolver = Resolver {
            uv: self.uv,
            python: self.python,
            options: self.options,
            lock: self.lock,
            folder: &folder,
        };
        let lock = resolver.resolve(spec, release)?;
        remove_folder(&folder)?;
        Ok(lock)
    }

    /// Installs wheels only: a source distribution would run its author's code unconfined.
    ///
    /// Bytecode is compiled here, because sandboxed jobs cannot write it and would compile it on every start. It
    /// costs about 20 seconds once, and saves about 8 on each import of torch and transformers.
    fn install(
        &self,
        lock_file: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EnvironmentError> {
        let mut sync = tool::command(&self.uv.path, self.options);
        sync.args([
            "pip",
            "sync",
            "--require-hashes",
            "--no-build",
            "--compile-bytecode",
        ])
        .arg("--python")
        .arg(self.building.join("bin/python"))
        .arg(lock_file);
        self.uv_run(sync, "installing packages", progress)
    }

    fn uv_run(
        &self,
        command: std::process::Command,
        step: &'static str,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), EnvironmentError> {
        let mut on_line = |line: &str| {
            if let Some(event) = Progress::from_uv(line) {
                progress(event);
            }
        };
        match tool::run(command, Some(self.lock), &mut on_line)? {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.into_error(step, "uv", &self.options.cache_dir)),
        }
    }

    /// uv keeps what it fetches in a cache of its own; on another disk that one needs the space as well.
    fn require_cache_space(&self) -> Result<(), EnvironmentError> {
        let mut command = tool::command(&self.uv.path, self.options);
        command.args(["cache", "dir"]);
        let Ok(said) = tool::run(command, None, &mut |_| {})? else {
            // A uv that does not tell is asked no further: a full disk is still recognised later.
            return Ok(());
        };
        let cache = PathBuf::from(said.stdout.trim());
        if cache.as_os_str().is_empty() || space::same_device(&cache, &self.options.cache_dir) {
            return Ok(());
        }
        space::require(&cache, self.options.needed_bytes)
    }
}

/// Removes what killed builds have left, of this key (whose lock is held) and of others whose lock is free.
fn remove_leftovers(envs: &Path, own_key: &str) -> Result<(), EnvironmentError> {
    for entry in fs::read_dir(envs).map_err(io_error("list", envs))? {
        let entry = entry.map_err(io_error("list", envs))?;
        let name = entry.file_name();
        let Some(key) = name.to_str().and_then(|name| name.strip_suffix(BUILDING)) else {
            continue;
        };
        if key == own_key {
            remove_folder(&entry.path())?;
        } else if let Some(_lock) = BuildLock::try_take(&envs.join(format!("{key}{LOCK}")))? {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}
