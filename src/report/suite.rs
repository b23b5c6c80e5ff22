//! What came of a suite of repairs, for machines and for people.

use std::{collections::BTreeMap, fmt::Write as _};

use portwright_agents::suite::{Climb, Rung, Split};
use portwright_core::{Backend, Stage};
use serde::{Deserialize, Serialize};

/// The version of the document.
pub const SCHEMA: u32 = 1;

/// A run of a suite.
#[derive(Debug, Serialize, Deserialize)]
pub struct SuiteDocument {
    pub schema: u32,
    pub library_version: String,
    pub judge_version: u32,
    /// The language model that was asked; null where none was.
    pub model: Option<String>,
    /// The most plans that were proposed for a case.
    pub attempts: u32,
    pub cases: Vec<Ended>,
}

/// What came of one case.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    pub name: String,
    pub split: Split,
    pub target: String,
    pub backend: Backend,
    pub stage: Stage,
    /// The signature that the cases of one root cause share.
    pub cause: String,
    #[serde(flatten)]
    pub climb: Climb,
}

impl Ended {
    /// One line for people.
    pub fn line(&self) -> String {
        format!("{}: {}", self.name, self.outcome())
    }

    fn outcome(&self) -> String {
        if !self.climb.met {
            return "not met again".to_owned();
        }
        let proposals = match self.climb.proposals {
            1 => "1 plan".to_owned(),
            more => format!("{more} plans"),
        };
        match (self.climb.repaired, self.climb.rung) {
            (true, Some(rung)) => format!("repaired by {} ({proposals})", word(rung)),
            (true, None) => format!("repaired ({proposals})"),
            (false, _) => format!("not repaired ({proposals})"),
        }
    }
}

const RUNGS: [Rung; 4] = [Rung::Rule, Rung::Learnt, Rung::Search, Rung::Model];

fn word(rung: Rung) -> &'static str {
    match rung {
        Rung::Rule => "a rule",
        Rung::Learnt => "a learnt rule",
        Rung::Search => "search",
        Rung::Model => "the model",
    }
}

/// Several runs of one suite side by side.
pub fn markdown(runs: &[SuiteDocument]) -> String {
    let mut page = String::from(
        "<!-- Written by `portwright suite report`; do not edit it by hand. -->\n\n# Repairs\n\n\
         Real failures of a sweep, each as it was met before anything was repaired, given to the fixer's ladder once \
         more. A case counts as repaired where its backend passes by the judge's word on a fresh build. All cases of \
         one root cause (stage and signature) are in one half; the half that is held out is there to measure and not to tune on. A repair \
         of several changes stands on the dearest rung that it needed.\n\n",
    );
    for split in Split::ALL {
        let title = match split {
            Split::Development => "Development",
            Split::HeldOut => "Held out",
        };
        let _ = writeln!(page, "## {title}\n");
        summary(&mut page, runs, split);
        stages(&mut page, runs, split);
    }
    cases(&mut page, runs);
    page.push_str(
        "## How to make this page again\n\n```sh\nportwright suite run --json > rules-and-search.json\n\
         portwright suite run --llm local --json > with-a-model.json\n\
         portwright suite report rules-and-search.json with-a-model.json -o docs/repairs.md\n```\n",
    );
    page
}

fn title(run: &SuiteDocument) -> String {
    match &run.model {
        None => "rules and search".to_owned(),
        Some(model) => format!("rules, search and {model}"),
    }
}

fn table(page: &mut String, head: &[String], rows: &[Vec<String>]) {
    let _ = writeln!(page, "| {} |", head.join(" | "));
    let _ = writeln!(page, "|{}", " --- |".repeat(head.len()));
    for row in rows {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
    page.push('\n');
}

fn columns(first: &[&str], runs: &[SuiteDocument]) -> Vec<String> {
    let first = first.iter().map(|cell| (*cell).to_owned());
    first.chain(runs.iter().map(title)).collect()
}

fn half(run: &SuiteDocument, split: Split) -> Vec<&Ended> {
    run.cases
        .iter()
        .filter(|ended| ended.split == split)
        .collect()
}

fn summary(page: &mut String, runs: &[SuiteDocument], split: Split) {
    let mut rows = Vec::new();
    let mut row = |what: &str, tell: &dyn Fn(&[&Ended]) -> String| {
        let mut row = vec![what.to_owned()];
        row.extend(runs.iter().map(|run| tell(&half(run, split))));
        rows.push(row);
    };
    row("cases", &|cases| cases.len().to_string());
    row("met again", &|cases| met(cases).to_string());
    row("repaired", &|cases| {
        let repaired = cases.iter().filter(|ended| ended.climb.repaired).count();
        share(repaired, met(cases))
    });
    for rung in RUNGS {
        row(&format!("by {}", word(rung)), &|cases| {
            let by = |ended: &&&Ended| ended.climb.rung == Some(rung);
            cases.iter().filter(by).count().to_string()
        });
    }
    row("plans proposed", &|cases| {
        sum(cases, |ended| u64::from(ended.climb.proposals)).to_string()
    });
    row("questions to the model", &|cases| {
        sum(cases, |ended| u64::from(ended.climb.questions)).to_string()
    });
    row("tokens", &|cases| {
        sum(cases, |ended| ended.climb.tokens).to_string()
    });
    row("cost in dollars", &|cases| {
        let dollars: Vec<f64> = cases
            .iter()
            .filter_map(|ended| ended.climb.dollars)
            .collect();
        if dollars.is_empty() {
            return "–".to_owned();
        }
        format!("{:.2}", dollars.iter().sum::<f64>())
    });
    row("CPU seconds of jobs", &|cases| {
        let seconds: f64 = cases.iter().map(|ended| ended.climb.cpu_seconds).sum();
        format!("{seconds:.0}")
    });
    row("seconds on the clock", &|cases| {
        let seconds: f64 = cases.iter().map(|ended| ended.climb.seconds).sum();
        format!("{seconds:.0}")
    });
    table(page, &columns(&[""], runs), &rows);
}

fn stages(page: &mut String, runs: &[SuiteDocument], split: Split) {
    let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
    for ended in runs.first().map(|run| half(run, split)).unwrap_or_default() {
        *counts.entry(ended.stage).or_default() += 1;
    }
    let rows: Vec<Vec<String>> = counts
        .into_iter()
        .map(|(stage, count)| {
            let mut row = vec![format!("{stage}"), count.to_string()];
            for run in runs {
                let mut cases = half(run, split);
                cases.retain(|ended| ended.stage == stage);
                let repaired = cases.iter().filter(|ended| ended.climb.repaired).count();
                row.push(share(repaired, met(&cases)));
            }
            row
        })
        .collect();
    table(page, &columns(&["fails at", "cases"], runs), &rows);
}

fn cases(page: &mut String, runs: &[SuiteDocument]) {
    page.push_str("## Cases\n\n");
    let mut rows = Vec::new();
    for ended in runs
        .first()
        .map(|run| run.cases.as_slice())
        .unwrap_or_default()
    {
        let mut row = vec![
            format!("`{}`", ended.name),
            ended.split.folder().to_owned(),
            format!("`{}`", code(&ended.cause)),
        ];
        for run in runs {
            let same = run
                .cases
                .iter()
                .find(|other| other.name == ended.name && other.split == ended.split);
            row.push(same.map_or_else(|| "–".to_owned(), Ended::outcome));
        }
        rows.push(row);
    }
    table(page, &columns(&["case", "half", "met"], runs), &rows);
}

/// The most characters of a signature that a cell shows.
const WIDEST: usize = 120;

/// A signature that can stand in a cell, between backticks.
fn code(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|c| match c {
            '|' => '¦',
            '`' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .take(WIDEST)
        .collect();
    if text.chars().count() > WIDEST {
        shown.push('…');
    }
    shown
}

fn met(cases: &[&Ended]) -> usize {
    cases.iter().filter(|ended| ended.climb.met).count()
}

fn sum(cases: &[&Ended], of: impl Fn(&Ended) -> u64) -> u64 {
    cases.iter().map(|ended| of(ended)).sum()
}

fn share(part: usize, whole: usize) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    format!(
        "{part} of {whole} ({:.0} %)",
        part as f64 / whole as f64 * 100.0
    )
}

#[cfg(test)]
mod tests {
    use portwright_core::RunId;

    use super::*;

    fn ended(name: &str, split: Split, rung: Option<Rung>) -> Ended {
        Ended {
            name: name.to_owned(),
            split,
            target: name.to_owned(),
            backend: Backend::ONNXRUNTIME,
            stage: Stage::Export,
            cause: "ValueError: a | b @ `forward`".to_owned(),
            climb: Climb {
                run: RunId::new("run"),
                met: true,
                repaired: rung.is_some(),
                rung,
                proposals: 3,
                tokens: 100,
                questions: 1,
                dollars: None,
                seconds: 2.0,
                cpu_seconds: 1.5,
                left: rung.is_none().then(|| "still".to_owned()),
            },
        }
    }

    fn run(model: Option<&str>, rung: Option<Rung>) -> SuiteDocument {
        SuiteDocument {
            schema: SCHEMA,
            library_version: "5.20.2".to_owned(),
            judge_version: 3,
            model: model.map(str::to_owned),
            attempts: 12,
            cases: vec![
                ended("one", Split::Development, Some(Rung::Search)),
                ended("two", Split::HeldOut, rung),
            ],
        }
    }

    #[test]
    fn the_page_lays_runs_side_by_side() {
        let runs = [run(None, None), run(Some("a-model"), Some(Rung::Model))];
        insta::assert_snapshot!(markdown(&runs));
    }

    #[test]
    fn a_case_that_is_not_met_again_counts_neither_way() {
        let mut alone = run(None, None);
        alone.cases[1].climb.met = false;
        let page = markdown(&[alone]);
        assert!(page.contains("| met again | 0 |"), "{page}");
        assert!(page.contains("not met again"), "{page}");
    }

    #[test]
    fn a_document_is_read_as_it_was_written() {
        let text = serde_json::to_string(&run(Some("a-model"), None)).unwrap();
        let read: SuiteDocument = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
