//! What a Python interpreter and the native runtimes in its packages must be able to read.

use std::path::{Path, PathBuf};

/// Programs and libraries of the system, and what the loader and the runtimes ask the kernel about the machine.
///
/// Of `/etc` only what decides how programs are loaded and names are compared. Not `/etc/passwd`: who is on this
/// machine is no job's business (jobs get `USER` and `HOME` in their environment instead). Of `/sys` only what
/// thread pools read to size themselves.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/ssl/openssl.cnf",
    "/proc",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
];

/// The paths that every Python job may read: the system's programs and the given interpreter prefixes.
///
/// A prefix whose `bin/python3` is a link (a virtual environment) also brings `bin` and `lib` of the installation the
/// link leads to: it may lie anywhere, under the home folder too. Paths that do not exist are left out.
pub fn default_read_paths(python_prefixes: &[impl AsRef<Path>]) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    for prefix in python_prefixes {
        let prefix = prefix.as_ref();
        paths.push(prefix.to_path_buf());
        for name in ["python3", "python"] {
            let interpreter = prefix.join("bin").join(name);
            paths.extend(installation(&interpreter));
            // Named for the links on the way to it, which the job must be able to follow.
            paths.push(interpreter);
        }
    }
    paths.retain(|path| path.exists());
    paths.sort();
    paths.dedup();
    paths
}

/// `bin` and `lib` of the installation that holds the interpreter behind a link. Not the folder above them: for
/// `~/bin/python3` that would be the whole home folder.
fn installation(interpreter: &Path) -> Vec<PathBuf> {
    let Ok(target) = interpreter.canonicalize() else {
        return Vec::new();
    };
    let Some(bin) = target.parent() else {
        return Vec::new();
    };
    let Some(root) = bin.parent() else {
        return Vec::new();
    };
    ["bin", "lib", "lib64"]
        .into_iter()
        .map(|name| root.join(name))
        .filter(|path| path.exists())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_installation_behind_an_environment_is_readable() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path().join("pythons/3.11");
        fs::create_dir_all(base.join("bin")).unwrap();
        fs::create_dir_all(base.join("lib")).unwrap();
        fs::write(base.join("bin/python3.11"), "").unwrap();
        let environment = home.path().join("env");
        fs::create_dir_all(environment.join("bin")).unwrap();
        symlink(base.join("bin/python3.11"), environment.join("bin/python3")).unwrap();
        let base = base.canonicalize().unwrap();

        let paths = default_read_paths(&[&environment]);

        assert!(paths.contains(&environment));
        assert!(paths.contains(&base.join("lib")));
        assert!(
            !paths.contains(&base),
            "only the parts that hold the interpreter: {paths:?}"
        );
    }

    #[test]
    fn neither_home_folders_nor_accounts_are_readable() {
        let paths = default_read_paths(&[] as &[&Path]);
        for secret in [
            "/",
            "/root",
            "/home",
            "/etc",
            "/etc/passwd",
            "/etc/shadow",
            "/dev",
            "/sys",
            "/tmp",
            "/var",
        ] {
            assert!(!paths.contains(&PathBuf::from(secret)), "{secret}");
        }
    }

    #[test]
    fn a_path_that_is_not_there_is_left_out() {
        let paths = default_read_paths(&["/there/is/no/such/prefix"]);
        assert!(paths.iter().all(|path| path.exists()), "{paths:?}");
    }
}
