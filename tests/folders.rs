//! What lies in a folder may be anybody's: it chooses no program and no endpoint, and nothing is followed out of it.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, net::TcpListener, os::unix::fs::symlink, path::Path, process::Output};

use support::{Place, text};

/// Asserts an error of use with these words and a hint.
fn assert_refused(output: &Output, words: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{}", text(output));
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in\n{stderr}");
    }
    assert!(stderr.contains("hint:"), "{stderr}");
}

/// A program that leaves a mark, and the mark.
fn marker(place: &Place, name: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let mark = place.path("mark");
    let program = place.path(name);
    let script = format!("#!/bin/sh\necho was here >>{mark:?}\nexec python3 \"$@\"\n");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    mark
}

#[test]
fn a_program_that_a_working_folder_names_is_never_started() {
    for (key, value) in [
        ("python", "./evil.sh"),
        ("uv", "./evil.sh"),
        ("cache_dir", "."),
    ] {
        let place = Place::new();
        let mark = marker(&place, "evil.sh");
        fs::write(
            place.path("portwright.toml"),
            format!("[environment]\n{key} = \"{value}\"\n"),
        )
        .unwrap();
        for args in [
            &["doctor"] as &[&str],
            &["run", "bert"],
            &["config", "show"],
            &["runs"],
        ] {
            let output = place.command().args(args).output().unwrap();
            let named = format!("environment.{key}");
            assert_refused(&output, &[&named, "portwright.toml", "--config"]);
        }
        assert!(!mark.exists());
        assert!(!place.path(".portwright").exists());
    }
}

#[test]
fn an_endpoint_that_a_working_folder_names_is_told_nothing() {
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    fs::write(
        place.path("portwright.toml"),
        format!("[llm]\nuse = \"http://{address}/v1\"\nmodel = \"x\"\n"),
    )
    .unwrap();
    let output = place
        .command()
        .args(["run", "bert"])
        .env("OPENAI_API_KEY", "the planted key")
        .output()
        .unwrap();
    assert_refused(&output, &["`llm.use`", "`llm.model`", "endpoint"]);
    assert!(listener.accept().is_err(), "nobody has called");
}

#[test]
fn a_wall_is_not_lowered_by_a_working_folder() {
    for (text, key) in [
        ("[sandbox]\nenabled = false\n", "sandbox.enabled"),
        (
            "[run]\nmemory_limit_mib = 999999999\n",
            "run.memory_limit_mib",
        ),
        ("[run]\nrepo = \"../elsewhere\"\n", "run.repo"),
    ] {
        let place = Place::new();
        fs::write(place.path("portwright.toml"), text).unwrap();
        let output = place.command().arg("doctor").output().unwrap();
        assert_refused(&output, &[key]);
    }
}

#[test]
fn a_file_that_the_user_names_chooses_everything() {
    let place = Place::new();
    fs::write(place.path("mine.toml"), "[run]\nmemory_limit_mib = 9999\n").unwrap();
    let output = place
        .command()
        .args(["--config", "mine.toml", "config", "show"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("run.memory_limit_mib = 9999"),
        "{}",
        text(&output)
    );
}

#[test]
fn modules_of_a_working_folder_are_not_imported_by_doctor() {
    let place = Place::new();
    let mark = place.path("mark");
    for name in ["venv.py", "ensurepip.py", "json.py", "sitecustomize.py"] {
        fs::write(place.path(name), format!("open({mark:?}, 'w')\n")).unwrap();
    }
    // A cache folder that is not there yet, and no uv on the search path: Python is asked for the modules to fetch one.
    let python = place.path("bin");
    fs::create_dir(&python).unwrap();
    let real = support::environment().python.canonicalize().unwrap();
    symlink(real, python.join("python3")).unwrap();
    let output = place
        .command()
        .arg("doctor")
        .env("PORTWRIGHT_CACHE_DIR", place.path("cache"))
        .env("PATH", &python)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("fetches it into the cache folder"),
        "{}",
        text(&output)
    );
    assert!(!mark.exists());
}

#[test]
fn a_link_in_the_place_of_the_ledger_or_the_repository_is_not_written_through() {
    for (name, option) in [(".portwright", "--ledger"), ("skillsets", "--repo")] {
        let (place, elsewhere) = (Place::new(), Place::new());
        symlink(elsewhere.root.path(), place.path(name)).unwrap();
        let output = place.command().args(["run", "bert"]).output().unwrap();
        assert_refused(&output, &[name, option]);
        assert_eq!(fs::read_dir(elsewhere.root.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_link_out_of_a_model_s_folder_is_neither_followed_nor_committed() {
    let place = Place::new();
    let folder = place.toy("mine", false);
    let secret = place.path("secret");
    fs::write(&secret, "KEY = '0xDEADBEEF'\n").unwrap();
    for name in ["helper.py", "generation_config.json"] {
        symlink(&secret, folder.join(name)).unwrap();
        let output = place.command().args(["run", "./mine"]).output().unwrap();
        assert_refused(&output, &[name, "leads out of its folder"]);
        assert!(!place.path("skillsets").exists());
        let kept = place.shell("grep -rl DEADBEEF .portwright");
        assert!(kept.stdout.is_empty(), "{}", text(&kept));
        fs::remove_file(folder.join(name)).unwrap();
    }
}

#[test]
fn a_pipe_or_a_giant_in_a_model_s_folder_is_refused_at_once() {
    let place = Place::new();
    place.toy("mine", false);
    place.shell("mkfifo mine/helper.py");
    let output = place.command().args(["run", "./mine"]).output().unwrap();
    assert_refused(&output, &["helper.py"]);
    fs::remove_file(place.path("mine/helper.py")).unwrap();
    let giant = fs::File::create(place.path("mine/helper.py")).unwrap();
    giant.set_len(5 << 40).unwrap();
    let output = place.command().args(["run", "./mine"]).output().unwrap();
    assert_refused(&output, &["helper.py", "at most"]);
}

/// Saves the toy's model with random weights into `folder`.
const SAVE: &str = "
import sys
from transformers import AutoConfig, AutoModel

config = AutoConfig.from_pretrained('mine', trust_remote_code=True)
AutoModel.from_config(config, trust_remote_code=True).save_pretrained(sys.argv[1])
print('saved')
";

#[test]
fn a_snapshot_of_a_hub_s_cache_beside_giants_passes_as_any_folder() {
    let place = Place::new();
    let model = place.toy("mine", false);
    place.script(SAVE, &["saved"]);
    // What is no part of the model is not read, by nobody.
    for folder in [&model, &place.path("saved")] {
        let giant = fs::File::create(folder.join("giant.dat")).unwrap();
        giant.set_len(5 << 40).unwrap();
    }
    let entry = place.path("hub/models--acme--mine");
    let snapshot = entry.join("snapshots/0123");
    fs::create_dir_all(&snapshot).unwrap();
    fs::rename(place.path("saved"), entry.join("blobs")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        symlink(Path::new("../../blobs").join(name), snapshot.join(name)).unwrap();
    }
    let folder = snapshot.to_str().unwrap();
    let (code, document) = place.run(&["./mine", "--backend", "torch-cpu", "--checkpoint", folder]);
    assert_eq!(code, 0, "{document:#}");
    assert_eq!(document["verdicts"][0]["verdict"], "pass", "{document:#}");
    // The committed code is the folder's, and nothing else of it.
    let branch = document["branch"].as_str().unwrap();
    let listed = place.git("skillsets", &["ls-tree", "-r", "--name-only", branch]);
    assert!(
        listed.contains("mine/modeling/modeling_mine.py"),
        "{listed}"
    );
    assert!(!listed.contains("giant"), "{listed}");
}
