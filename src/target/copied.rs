//! The copy of a folder that jobs are shown in its place, below the ledger.
//!
//! It holds what was taken of the folder and nothing else: code and configuration as they were read, and a link to each
//! file of weights. So what a job reads is what was hashed and what is committed, also when the folder changes meanwhile.
//! Of the weights a job may read the files that [`Copied::weights`] names.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use portwright_core::Digest;
use portwright_sandbox::plain;

use super::taken::Taken;

/// A copy of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub folder: PathBuf,
    /// The files that its links lead to.
    pub weights: Vec<PathBuf>,
}

/// Makes the copy of `taken`, called after the folder `name`, below `models`; an equal one that is there is used.
pub fn copy(taken: &Taken, name: &Path, models: &Path) -> io::Result<Copied> {
    let weights: Vec<PathBuf> = taken.weights.values().map(|w| w.path.clone()).collect();
    let key = Digest::of_json(&(taken.digest()?, &weights))?;
    let home = models.join(key.short());
    let folder = home.join(called(name));
    if !is_copy(&folder, taken) {
        fs::create_dir_all(models)?;
        let made = tempfile::Builder::new()
            .prefix(".incoming-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .tempdir_in(models)?;
        write(&made.path().join(called(name)), taken)?;
        match fs::remove_dir_all(&home) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        match fs::rename(made.path(), &home) {
            // What it named is the copy now; there is nothing left to remove.
            Ok(()) => drop(made.keep()),
            // Another process was faster with an equal one.
            Err(_) if is_copy(&folder, taken) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Copied { folder, weights })
}

/// The name of the copy, which tracebacks show: that of the folder, where a Python package can have it.
fn called(name: &Path) -> String {
    let name = name.file_name().unwrap_or_default().to_string_lossy();
    let plain: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
        .take(80)
        .collect();
    if plain.is_empty() {
        "model".to_owned()
    } else {
        plain
    }
}

fn write(folder: &Path, taken: &Taken) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (name, content) in &taken.texts {
        fs::write(folder.join(name), content)?;
    }
    for (name, file) in &taken.weights {
        symlink(&file.path, folder.join(name))?;
    }
    Ok(())
}

/// Whether a folder holds exactly what was taken. Nobody but the main process writes there, and an old copy may have been
/// cut off.
fn is_copy(folder: &Path, taken: &Taken) -> bool {
    let names = taken.texts.len() + taken.weights.len();
    let texts = taken.texts.iter().all(|(name, content)| {
        plain::read(folder, Path::new(name), content.len() as u64).is_ok_and(|it| it == *content)
    });
    let weights = taken.weights.iter().all(|(name, file)| {
        fs::read_link(folder.join(name)).is_ok_and(|leads_to| leads_to == file.path)
    });
    texts && weights && fs::read_dir(folder).is_ok_and(|entries| entries.count() == names)
}

#[cfg(test)]
mod tests {
    use super::{super::taken::Weights, *};

    fn taken(weights: &Path) -> Taken {
        let mut taken = Taken::default();
        taken.texts.insert("config.json".into(), b"{}".to_vec());
        let file = Weights {
            path: weights.to_owned(),
            digest: Digest::of("weights"),
        };
        taken.weights.insert("model.safetensors".into(), file);
        taken
    }

    #[test]
    fn a_copy_holds_what_was_taken_and_names_the_weights() {
        let place = tempfile::tempdir().unwrap();
        let weights = place.path().join("w");
        fs::write(&weights, "weights").unwrap();
        let models = place.path().join("models");
        let copied = copy(&taken(&weights), Path::new("a/my model.v2"), &models).unwrap();
        assert!(copied.folder.ends_with("mymodelv2"));
        assert_eq!(fs::read(copied.folder.join("config.json")).unwrap(), b"{}");
        let seen = fs::read(copied.folder.join("model.safetensors")).unwrap();
        assert_eq!(seen, b"weights");
        assert_eq!(copied.weights, [weights]);
    }

    #[test]
    fn an_equal_copy_is_used_and_a_changed_one_is_made_again() {
        let place = tempfile::tempdir().unwrap();
        let taken = taken(&place.path().join("w"));
        let make = || copy(&taken, Path::new("model"), place.path()).unwrap();
        let first = make();
        assert_eq!(make(), first);
        for spoil in ["config.json", "more.py"] {
            fs::write(first.folder.join(spoil), "spoilt").unwrap();
            assert_eq!(make(), first);
            assert!(is_copy(&first.folder, &taken), "{spoil}");
        }
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_without_a_usable_name_is_called_a_model() {
        assert_eq!(called(Path::new("/")), "model");
        assert_eq!(called(Path::new("a/\u{1b}[31m")), "31m");
    }
}
