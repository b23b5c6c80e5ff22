//! `portwright knowledge` from end to end, over the installed library.
#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::Path, process::Output, sync::Mutex};

use portwright_knowledge::retrieval::embed::{EmbedError, Embedder, Model, Start};
use serde_json::Value;
use support::{Place, documents, json, text};

/// The index lies in the cache of the machine, and one process builds it at a time.
static BUILDS: Mutex<()> = Mutex::new(());

fn knowledge(place: &Place, args: &[&str]) -> Output {
    let building = args.contains(&"build").then(|| BUILDS.lock());
    let output = place
        .command()
        .arg("knowledge")
        .args(args)
        .output()
        .unwrap();
    drop(building);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    output
}

fn document(place: &Place, args: &[&str]) -> Value {
    let document = json(&knowledge(place, args));
    let page = documents::page("json.md");
    // The answers of `measure` and the reasons of `unread` are keyed by what they are about.
    let mut plain = document.clone();
    for keyed in ["unread", "ways"] {
        plain.as_object_mut().unwrap().remove(keyed);
    }
    let missing = documents::undocumented(&plain, &page, "");
    assert!(missing.is_empty(), "not in json.md: {missing:?}");
    document
}

#[test]
fn an_error_of_the_library_is_found_shown_and_traced() {
    let place = Place::new();
    let built = document(&place, &["build", "--json"]);
    assert!(built["documents"].as_u64().unwrap() > 30_000, "{built:#}");
    assert_eq!(built["unread"], serde_json::json!({}), "{built:#}");
    // Nothing has changed since.
    let again = document(&place, &["build", "--json"]);
    assert_eq!(
        (&again["read"], &again["unchanged"]),
        (&0.into(), &built["files"])
    );

    let message =
        "patchtst: ValueError: Input sequence length (2) doesn't match model configuration (32).";
    let found = document(&place, &["search", "--by", "text", "--json", message]);
    let hits = found["hits"].as_array().unwrap();
    let raises = |hit: &&Value| hit["symbol"] == "PatchTSTPatchify.forward";
    let hit = hits.iter().find(raises).unwrap();
    let shown = document(&place, &["show", hit["id"].as_str().unwrap(), "--json"]);
    assert_eq!(shown["documents"][0]["text"], hit["text"]);

    // The file and line of the hit are those of the installed file.
    let packages = support::environment().site_packages;
    let file = packages.join(hit["file"].as_str().unwrap());
    let source = fs::read_to_string(&file).unwrap();
    let first = hit["line"].as_u64().unwrap() as usize - 1;
    let raised = source
        .lines()
        .skip(first)
        .position(|line| line.contains("raise ValueError"))
        .unwrap();
    let traceback = format!(
        "Traceback (most recent call last):\n  File \"{}\", line {}, in forward\nValueError: {message}\n",
        file.display(),
        first + raised + 1
    );
    fs::write(place.path("traceback.txt"), traceback).unwrap();
    let traced = document(
        &place,
        &["trace", "traceback.txt", "--budget", "2000", "--json"],
    );
    assert_eq!(traced["shown"][0]["why"], "failed", "{traced:#}");
    assert_eq!(traced["shown"][0]["symbol"], "PatchTSTPatchify.forward");
    assert!(traced["text"].as_str().unwrap().chars().count() <= 2000);
}

#[test]
fn operators_patches_and_support_lists_are_there() {
    let place = Place::new();
    knowledge(&place, &["build"]);
    for (kind, words, symbol) in [
        ("operator", "Gather", "Gather"),
        ("patch", "searchsorted", "_patch_searchsorted"),
        ("support", "aten abs", "aten.abs"),
    ] {
        let args = ["search", "--by", "text", "--kind", kind, "--json", words];
        let found = document(&place, &args);
        let symbols: Vec<&Value> = found["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| &hit["symbol"])
            .collect();
        assert!(symbols.contains(&&symbol.into()), "{kind}: {symbols:?}");
    }
}

#[test]
fn most_questions_are_answered_by_words_alone() {
    let place = Place::new();
    knowledge(&place, &["build"]);
    let measured = document(&place, &["measure", "--json"]);
    assert_eq!(measured["absent"], serde_json::json!([]));
    let all = &measured["ways"]["text"]["all"];
    assert!(all["queries"].as_u64().unwrap() >= 60);
    // The figures are in docs/benchmarks.md; this is far below them and far above a search that is broken.
    assert!(all["recall_at_5"].as_f64().unwrap() > 0.6, "{all:#}");
}

#[test]
fn without_an_index_the_error_names_the_command_that_makes_one() {
    let place = Place::new();
    let cache = place.path("cache");
    // The environment is there, and nothing was built of it yet.
    fs::create_dir(&cache).unwrap();
    std::os::unix::fs::symlink(support::cache().join("envs"), cache.join("envs")).unwrap();
    support::environment();
    for (args, words) in [
        (vec!["search", "x"], "no index"),
        (vec!["show", "x"], "no index"),
        (vec!["measure"], "no index"),
        (vec!["search", "--by", "both", "x"], "no index"),
    ] {
        let output = place
            .command()
            .env("PORTWRIGHT_CACHE_DIR", &cache)
            .arg("knowledge")
            .args(&args)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        assert!(output.stdout.is_empty());
        assert!(stderr.contains(words), "{stderr}");
        assert!(
            stderr.contains("run `portwright knowledge build`"),
            "{stderr}"
        );
    }
}

#[test]
fn wrong_input_is_refused_with_its_cure() {
    let place = Place::new();
    fs::write(place.path("no-traceback.txt"), "all is well").unwrap();
    fs::write(place.path("no-questions.toml"), "[[query]]\nanswer = 1\n").unwrap();
    for (args, words) in [
        (vec!["build", "--docs", "nowhere"], "nowhere is no folder"),
        (vec!["trace", "nowhere.txt"], "nowhere.txt"),
        (vec!["trace", "no-traceback.txt"], "no line such as"),
        (vec!["measure", "no-questions.toml"], "no-questions.toml"),
    ] {
        let output = place
            .command()
            .arg("knowledge")
            .args(&args)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(
            stderr.contains(words) && stderr.contains("hint:"),
            "{stderr}"
        );
    }
}

/// The model, where an earlier `build --vectors` fetched it: no test downloads it.
fn model() -> Option<Model> {
    let model = Model::open(&support::cache().join("knowledge/model"));
    if model.is_none() {
        eprintln!("skipped: the embedding model was never fetched on this machine");
    }
    model
}

fn start(model: &Model, library: &Path) -> Result<Embedder, EmbedError> {
    Embedder::start(&Start {
        launcher: &support::binary(),
        library,
        model,
        threads: 1,
    })
}

#[test]
fn texts_that_mean_the_same_have_near_vectors() {
    let Some(model) = model() else { return };
    let library = support::environment().onnxruntime_library().unwrap();
    let mut embedder = start(&model, &library).unwrap();
    let texts = [
        "the picture is too small for the patches",
        "an image must be at least as large as one patch",
        "beam search reorders the cache",
    ];
    let vectors = embedder.embed(&texts).unwrap();
    let cosine = |a: usize, b: usize| -> f32 {
        vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum()
    };
    assert!((cosine(0, 0) - 1.0).abs() < 1e-4);
    assert!(
        cosine(0, 1) > cosine(0, 2) + 0.2,
        "{} {}",
        cosine(0, 1),
        cosine(0, 2)
    );
    // A text is what it is, alone or among longer ones; the model is quantised over its whole input, so not exactly.
    let alone = embedder.embed(&texts[..1]).unwrap();
    let same: f32 = alone[0].iter().zip(&vectors[0]).map(|(x, y)| x * y).sum();
    assert!(same > 0.95, "{same}");
    assert!(embedder.embed(&[]).unwrap().is_empty());
}

#[test]
fn a_library_that_cannot_be_loaded_is_an_error_and_no_crash() {
    let Some(model) = model() else { return };
    let error = start(&model, Path::new("/nowhere/libonnxruntime.so"))
        .err()
        .unwrap();
    assert!(
        matches!(error, EmbedError::Model(_) | EmbedError::Ended(_)),
        "{error}"
    );
    assert!(error.hint().contains("--by text"));
}
