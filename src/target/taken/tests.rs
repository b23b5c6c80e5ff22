use std::os::unix::{fs::symlink, net::UnixListener};

use super::*;

/// A folder with a little model, beside a secret.
fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().canonicalize().unwrap().join("model");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("config.json"), "{}").unwrap();
    fs::write(root.join("modeling_mine.py"), "x = 1\n").unwrap();
    fs::write(root.join("model.safetensors"), "weights").unwrap();
    fs::write(place.path().join("secret"), "secret").unwrap();
    (place, root)
}

fn names(taken: &Taken) -> Vec<&str> {
    let names = taken.texts.keys().chain(taken.weights.keys());
    names.map(String::as_str).collect()
}

fn error(root: &Path) -> String {
    take(root, Purpose::Modelling).unwrap_err().to_string()
}

#[test]
fn code_and_configuration_are_taken_and_weights_of_a_checkpoint() {
    let (_place, root) = place();
    let modelling = take(&root, Purpose::Modelling).unwrap();
    assert_eq!(names(&modelling), ["config.json", "modeling_mine.py"]);
    let checkpoint = take(&root, Purpose::Checkpoint).unwrap();
    let weights = &checkpoint.weights["model.safetensors"];
    assert_eq!(weights.digest, Digest::of("weights"));
    assert_eq!(weights.path, root.join("model.safetensors"));
}

#[test]
fn other_files_are_left_out_and_change_nothing() {
    let (_place, root) = place();
    let before = take(&root, Purpose::Checkpoint).unwrap();
    fs::create_dir_all(root.join("sub.py/deep")).unwrap();
    for name in [
        "notes.txt",
        "optimizer.pt",
        ".hidden.py",
        "tokenizer.json",
        "no-module.py",
        "a\nb.py",
        "sub.py/deep/config.json",
    ] {
        fs::write(root.join(name), "other").unwrap();
    }
    // More than any memory holds, as holes.
    let giant = fs::File::create(root.join("giant.dat")).unwrap();
    giant.set_len(1 << 42).unwrap();
    let after = take(&root, Purpose::Checkpoint).unwrap();
    assert_eq!(after, before);
    assert_eq!(after.digest().unwrap(), before.digest().unwrap());
}

#[test]
fn the_digest_changes_with_every_file_that_is_taken() {
    let (_place, root) = place();
    let digest = || take(&root, Purpose::Checkpoint).unwrap().digest().unwrap();
    let mut seen = vec![digest()];
    for name in [
        "config.json",
        "modeling_mine.py",
        "model.safetensors",
        "b.bin",
    ] {
        fs::write(root.join(name), "changed").unwrap();
        seen.push(digest());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_link_out_of_the_folder_is_refused_by_name() {
    for (name, target) in [
        ("helper.py", "../secret"),
        ("generation_config.json", "../secret"),
        ("helper.py", "/etc/passwd"),
        ("helper.py", "nothing"),
        ("helper.py", "helper.py"),
    ] {
        let (_place, root) = place();
        symlink(target, root.join(name)).unwrap();
        let error = error(&root);
        assert!(error.contains(name), "{target}: {error}");
    }
    let (_place, root) = place();
    symlink("../secret", root.join("more.safetensors")).unwrap();
    assert!(take(&root, Purpose::Checkpoint).is_err());
}

#[test]
fn a_link_within_the_folder_is_taken() {
    let (_place, root) = place();
    symlink("modeling_mine.py", root.join("again.py")).unwrap();
    let taken = take(&root, Purpose::Modelling).unwrap();
    assert_eq!(taken.texts["again.py"], b"x = 1\n");
}

#[test]
fn what_is_no_plain_file_is_refused_and_waits_for_nobody() {
    let (_place, root) = place();
    let _socket = UnixListener::bind(root.join("helper.py")).unwrap();
    assert!(error(&root).contains("helper.py"));
    let (_place, root) = place();
    symlink("/dev/zero", root.join("helper.py")).unwrap();
    assert!(error(&root).contains("helper.py"));
}

#[test]
fn what_is_too_large_is_refused_unread() {
    let (_place, root) = place();
    let code = fs::File::create(root.join("helper.py")).unwrap();
    code.set_len(1 << 40).unwrap();
    assert!(error(&root).contains("16777216"), "{}", error(&root));
    let (_place, root) = place();
    let weights = fs::File::create(root.join("more.bin")).unwrap();
    weights.set_len(1 << 40).unwrap();
    let error = take(&root, Purpose::Checkpoint).unwrap_err();
    assert!(error.to_string().contains("64 GiB"), "{error}");
    assert!(take(&root, Purpose::Modelling).is_ok());
}

#[test]
fn too_many_files_are_refused() {
    let (_place, root) = place();
    for number in 0..=MOST_FILES {
        fs::write(root.join(format!("m{number}.py")), "").unwrap();
    }
    assert!(error(&root).contains("too many files"));
}

/// The snapshot of a hub's cache, whose files are links to what lies in `blobs`.
fn snapshot(place: &Path) -> PathBuf {
    let entry = place.join("hub/models--acme--tiny");
    let root = entry.join("snapshots/abc");
    fs::create_dir_all(&root).unwrap();
    fs::create_dir_all(entry.join("blobs")).unwrap();
    for (blob, name, text) in [
        ("b0", "config.json", "{}"),
        ("b1", "model.safetensors", "weights"),
    ] {
        fs::write(entry.join("blobs").join(blob), text).unwrap();
        symlink(format!("../../blobs/{blob}"), root.join(name)).unwrap();
    }
    root.canonicalize().unwrap()
}

#[test]
fn a_snapshot_of_a_hub_s_cache_is_a_checkpoint_as_any() {
    let place = tempfile::tempdir().unwrap();
    let root = snapshot(place.path());
    let taken = take(&root, Purpose::Checkpoint).unwrap();
    assert_eq!(taken.texts["config.json"], b"{}");
    let weights = &taken.weights["model.safetensors"];
    assert_eq!(weights.digest, Digest::of("weights"));
    assert!(weights.path.ends_with("models--acme--tiny/blobs/b1"));
    // Modelling code comes from the folder itself.
    assert!(take(&root, Purpose::Modelling).is_err());
}

#[test]
fn a_snapshot_leads_to_its_own_blobs_and_nowhere_else() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    for leads in [
        "../../../other/blobs/b0",
        "../../refs",
        "../../blobs/deep/b2",
        "../../blobs/out",
    ] {
        let place = tempfile::tempdir().unwrap();
        let root = snapshot(place.path());
        let entry = root.parent().unwrap().parent().unwrap();
        fs::create_dir_all(entry.join("blobs/deep")).unwrap();
        fs::create_dir_all(entry.join("../other/blobs")).unwrap();
        for name in ["blobs/deep/b2", "refs", "../other/blobs/b0"] {
            fs::write(entry.join(name), "{}").unwrap();
        }
        symlink(outside.path().join("secret"), entry.join("blobs/out")).unwrap();
        symlink(leads, root.join("generation_config.json")).unwrap();
        let error = take(&root, Purpose::Checkpoint).unwrap_err().to_string();
        assert!(error.contains("generation_config.json"), "{leads}: {error}");
    }
}
