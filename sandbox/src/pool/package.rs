//! The Python package, embedded in the program and unpacked where an interpreter can read it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// Every file of the package with its text, listed by the build.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/worker_files.rs"));

/// How a program is decomposed before it is translated to ONNX. A skillset that makes such a file has it as well.
pub const DECOMPOSED: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/python/portwright_worker/shared/decomposed.py"
));

/// The stand-ins for what the TorchScript tracer's exporter cannot write. A skillset that needs them has them as well.
pub const SPELLED: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/python/portwright_worker/shared/spelled.py"
));

/// How a checkpoint is loaded, whole or not at all. Every skillset has it as well, so that what it loads is what the
/// reference was computed on.
pub const WHOLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/python/portwright_worker/shared/whole.py"
));

const NAME: &str = "portwright_worker";

/// Unpacks the package below `cache`, once, and returns the folder to put on the interpreter's path.
///
/// Its name carries its hash, so versions live side by side. It is written under another name and renamed, so that no
/// interpreter ever imports half of it, and one that is there is compared before it is trusted.
pub(super) fn unpack(cache: &Path) -> io::Result<PathBuf> {
    let target = cache.join(format!("worker-{}", &digest()[..16]));
    if is_whole(&target) {
        return Ok(target);
    }
    fs::create_dir_all(cache)?;
    let fresh = tempfile::Builder::new()
        .prefix(".worker-")
        .tempdir_in(cache)?;
    let whole = fresh.path().join("whole");
    for (name, text) in FILES {
        let path = whole.join(NAME).join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, text)?;
    }
    match fs::rename(&whole, &target) {
        Ok(()) => Ok(target),
        // Another process was faster.
        Err(_) if is_whole(&target) => Ok(target),
        Err(_) if target.exists() => {
            // What is there was damaged: out of the way with it, into the folder that is about to be removed.
            fs::rename(&target, fresh.path().join("damaged"))?;
            fs::rename(&whole, &target)?;
            Ok(target)
        }
        Err(error) => Err(error),
    }
}

fn is_whole(target: &Path) -> bool {
    FILES.iter().all(|(name, text)| {
        fs::read(target.join(NAME).join(name)).is_ok_and(|present| present == text.as_bytes())
    })
}

/// Names the package's content; part of the identity of whatever it makes.
pub(super) fn digest() -> String {
    let mut hash = Sha256::new();
    for (name, text) in FILES {
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_disk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
            if path.is_dir() && !name.ends_with("__pycache__") {
                on_disk(&path, &format!("{name}/"), found);
            } else if name.ends_with(".py") {
                found.push(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_package_is_embedded() {
        let mut found = Vec::new();
        on_disk(
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("python")
                .join(NAME),
            "",
            &mut found,
        );
        found.sort();
        let listed: Vec<_> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(listed, found);
    }

    #[test]
    fn the_package_is_unpacked_once() {
        let cache = tempfile::tempdir().unwrap();
        let first = unpack(cache.path()).unwrap();
        assert!(first.join("portwright_worker/server.py").is_file());
        assert_eq!(unpack(cache.path()).unwrap(), first);
        assert_eq!(
            fs::read_dir(cache.path()).unwrap().count(),
            1,
            "no temporary folder stays"
        );
    }

    #[test]
    fn a_damaged_package_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let target = unpack(cache.path()).unwrap();
        fs::write(target.join(NAME).join("server.py"), "").unwrap();
        fs::remove_file(target.join(NAME).join("cage.py")).unwrap();
        assert!(is_whole(&unpack(cache.path()).unwrap()));
    }
}
