//! The judge's mutation suite: faults planted in a small model, its weights and its files, built and executed for real on
//! every backend. Each must be caught, or stated by a limit of the pass.
//!
//! `mutations/faults.py` and `faults_of_form.py` hold the faults with what is expected of each, `model.py` the model. By default a short
//! form is run, with faults of every kind. All of them, with the score as the table that `docs/benchmarks.md` shows (or, with
//! a part of their names in the place of `all`, some of them):
//!
//! ```sh
//! PORTWRIGHT_MUTATIONS=all cargo test -p portwright-sandbox --test mutations -- --nocapture
//! ```
//!
//! A fault that passes unseen is `missed` and stands with its reason in `faults.py`: the score counts it, and the suite
//! fails once the judge catches or states it, so that no miss is forgotten.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "toy/harness.rs"]
mod harness;

use std::{collections::BTreeMap, env, ffi::OsString, fmt::Write as _, fs, sync::OnceLock};

use harness::{Making, Toy, made};
use portwright_core::{Backend, Evidence, Format, Verdict, verdict::BackendVerdict};
use serde::Deserialize;

/// The variable that asks for other faults than those of the short form.
const WHICH: &str = "PORTWRIGHT_MUTATIONS";

/// The fewest faults that all of them are, on each backend.
const FEWEST: usize = 60;

/// A planted fault.
#[derive(Deserialize)]
struct Fault {
    kind: String,
    name: String,
    expected: Word,
    /// The kind of a limit and a part of its sentence; or `input-sets` and a size like `batch=5`, which no set of the evidence has.
    limit: Vec<String>,
    /// Why it is missed.
    why: String,
    formats: Vec<Format>,
}

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    /// The verdict is no pass.
    Caught,
    /// It passes with the limit that tells of it.
    Stated,
    /// It passes unseen.
    Missed,
    /// It is no fault, and passes.
    Right,
}

impl Fault {
    fn word(&self, verdict: &BackendVerdict) -> Word {
        let (Verdict::Pass, Some(evidence)) = (verdict.verdict, &verdict.evidence) else {
            return Word::Caught;
        };
        match self.expected {
            Word::Right => Word::Right,
            _ if self.is_told(evidence) => Word::Stated,
            _ => Word::Missed,
        }
    }

    fn is_told(&self, evidence: &Evidence) -> bool {
        let [kind, part] = &self.limit[..] else {
            return false;
        };
        if kind == "input-sets" {
            let (name, size) = part.split_once('=').unwrap();
            let tried = evidence.sizes_tried();
            return !tried[name].contains(&size.parse().unwrap());
        }
        let mut limits = evidence.limits.iter();
        limits.any(|limit| limit.kind.as_str() == kind && limit.sentence.contains(part))
    }
}

fn which() -> OsString {
    let asked = env::var_os(WHICH).filter(|value| !value.is_empty());
    asked.unwrap_or_else(|| "short".into())
}

fn toy() -> &'static (Toy, Vec<Fault>) {
    static TOY: OnceLock<(Toy, Vec<Fault>)> = OnceLock::new();
    TOY.get_or_init(|| {
        let toy = made(&Making {
            name: "mutations",
            plan: include_str!("mutations/plan.toml"),
            script: "mutations/make.py",
            arguments: &[which().as_os_str()],
            refer: Some("mutations/refer.py"),
        });
        let faults = fs::read(toy.folder.join("faults.json")).unwrap();
        let faults = serde_json::from_slice(&faults).unwrap();
        (toy, faults)
    })
}

/// What became of the faults of each kind.
#[derive(Default)]
struct Score(BTreeMap<String, BTreeMap<Word, usize>>);

impl Score {
    fn note(&mut self, kind: &str, word: Word) {
        let kind = self.0.entry(kind.to_owned()).or_default();
        *kind.entry(word).or_default() += 1;
    }

    fn total(&self) -> usize {
        let counts = self.0.values().flatten();
        counts
            .filter_map(|(word, count)| (*word != Word::Right).then_some(count))
            .sum()
    }

    fn table(&self, backend: Backend) -> String {
        let mut table = format!(
            "| {backend} | caught | stated | missed | right ones that pass |\n|---|---|---|---|---|\n"
        );
        let mut row = |name: &str, of: &dyn Fn(Word) -> usize| {
            let words = [Word::Caught, Word::Stated, Word::Missed, Word::Right].map(of);
            let [caught, stated, missed, right] = words;
            writeln!(
                table,
                "| {name} | {caught} | {stated} | {missed} | {right} |"
            )
            .unwrap();
        };
        for (kind, words) in &self.0 {
            row(kind, &|word| words.get(&word).copied().unwrap_or(0));
        }
        row("**all**", &|word| {
            let kinds = self.0.values();
            kinds.filter_map(|words| words.get(&word)).sum()
        });
        table
    }
}

/// Judges every fault on a backend, and answers where it did not become of it what is expected.
fn suite(backend: Backend) -> Vec<String> {
    let (toy, faults) = toy();
    // A backend that does not take the right model whole sees no fault by it. Those of the environment must.
    let right = toy.verdict(backend, "right-as-it-is");
    if right.verdict != Verdict::Pass {
        println!("{backend} does not take the model: {:?}", right.finding);
        assert!(backend.spec().component.is_some(), "{backend}");
        return Vec::new();
    }
    let mut score = Score::default();
    let mut other = Vec::new();
    for fault in faults
        .iter()
        .filter(|it| it.formats.contains(&backend.reads()))
    {
        let verdict = toy.verdict(backend, &fault.name);
        let word = fault.word(&verdict);
        score.note(&fault.kind, word);
        let said = verdict.finding.map_or_else(
            || "passes".to_owned(),
            |finding| format!("{}: {}", finding.signature.0, finding.message),
        );
        println!(
            "{backend} {}: {word:?}. {said} {}",
            fault.name,
            if word == Word::Missed { &fault.why } else { "" }
        );
        if word != fault.expected {
            other.push(format!(
                "{backend}: {} is {word:?}, and expected to be {:?}: {said}",
                fault.name, fault.expected
            ));
        }
    }
    println!("{}", score.table(backend));
    assert!(which() != "all" || score.total() >= FEWEST);
    other
}

#[test]
fn every_fault_is_caught_or_stated_on_every_backend() {
    let backends = toy().0.backends();
    let other: Vec<String> = backends.into_iter().flat_map(suite).collect();
    assert!(other.is_empty(), "{}", other.join("\n"));
}
