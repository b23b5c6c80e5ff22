//! Packages of npm: found Node, and fetched with the `npm` that came with it, from a lock that names a hash for each.

use std::path::{Path, PathBuf};

use super::super::{
    Options,
    error::{EnvironmentError, io_error},
    lock::BuildLock,
    progress::Progress,
    python::all_on_search_path,
    tool,
};

/// Older ones lack what the worker uses.
const OLDEST: u32 = 20;

/// The first Node on the search path that is new enough.
pub(super) fn node(options: &Options) -> Result<PathBuf, EnvironmentError> {
    let mut tried = Vec::new();
    for path in all_on_search_path("node", options) {
        let mut command = tool::command(&path, options);
        command.arg("--version");
        match tool::run(command, None, &mut |_| {}) {
            Ok(Ok(said)) => {
                let version = said.stdout.trim().trim_start_matches('v').to_owned();
                let major = version.split('.').next().and_then(|it| it.parse().ok());
                if major.is_some_and(|major: u32| major >= OLDEST) {
                    return path.canonicalize().map_err(io_error("find", &path));
                }
                tried.push(format!("{} (version {version})", path.display()));
            }
            // A shim that leads nowhere is no reason to stop.
            _ => tried.push(format!("{} (does not start)", path.display())),
        }
    }
    Err(EnvironmentError::NoNode { tried })
}

/// The script in a component's folder that unpacks what the packages carry.
pub(super) const UNPACK: &str = "unpack.mjs";

/// Fetches what the lock in `folder` names into its `node_modules`, and unpacks it. No package runs a script of its own.
pub(super) fn fetch(
    folder: &Path,
    node: &Path,
    options: &Options,
    lock: &BuildLock,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), EnvironmentError> {
    let npm = all_on_search_path("npm", options).next();
    let npm = npm.ok_or_else(|| EnvironmentError::NoNode {
        tried: vec![format!("{} (without npm)", node.display())],
    })?;
    progress(Progress::FetchingPackages { client: "npm" });
    let mut command = tool::command(&npm, options);
    command
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(folder);
    if let Err(failure) = tool::run(command, Some(lock), &mut |_| {})? {
        return Err(failure.into_error("fetching packages", "npm", &options.cache_dir));
    }
    let mut command = tool::command(node, options);
    command.arg(UNPACK).current_dir(folder);
    match tool::run(command, Some(lock), &mut |_| {})? {
        Ok(_) => Ok(()),
        Err(failure) => Err(failure.into_error("unpacking packages", "node", &options.cache_dir)),
    }
}
