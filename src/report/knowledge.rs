//! What is known, for people and for machines.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use portwright_knowledge::{
    corpus::{Document, DocumentKind},
    retrieval::{
        Built, Hit, Way,
        measure::{Figures, Measured},
    },
    tracing::{Link, Role},
};
use serde::Serialize;

/// The version of the documents below.
pub const SCHEMA: u32 = 1;

/// How much of a hit is shown to people, in lines.
const SHOWN_LINES: usize = 3;

/// The document of a build.
#[derive(Debug, Serialize)]
pub struct BuildDocument<'a> {
    pub schema: u32,
    pub library_version: &'a str,
    pub index: &'a Path,
    #[serde(flatten)]
    pub built: &'a Built,
    /// Null where no vectors were asked for.
    pub vectors: Option<Vectors>,
}

/// The vectors after a build.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Vectors {
    /// Passages that have one; copies share theirs.
    pub passages: usize,
    pub computed: usize,
}

/// The document of a search.
#[derive(Debug, Serialize)]
pub struct SearchDocument<'a> {
    pub schema: u32,
    pub library_version: &'a str,
    pub query: &'a str,
    /// How it was searched: `text`, `vectors` or `both`.
    pub by: Way,
    /// The best first.
    pub hits: Vec<Found<'a>>,
}

#[derive(Debug, Serialize)]
pub struct Found<'a> {
    pub id: String,
    #[serde(flatten)]
    pub document: &'a Document,
    pub score: f32,
}

impl<'a> Found<'a> {
    pub fn of(hit: &'a Hit) -> Self {
        Self {
            id: hit.document.id(),
            document: &hit.document,
            score: hit.score,
        }
    }
}

/// The documents of one name.
#[derive(Debug, Serialize)]
pub struct ShowDocument<'a> {
    pub schema: u32,
    pub library_version: &'a str,
    pub documents: &'a [Document],
}

/// The document of a measurement.
#[derive(Debug, Serialize)]
pub struct MeasureDocument<'a> {
    pub schema: u32,
    pub library_version: &'a str,
    /// By way to search.
    pub ways: BTreeMap<Way, Measured>,
    /// Questions whose answers this release does not have; they are not counted.
    pub absent: Vec<&'a str>,
}

/// The document of a traced traceback.
#[derive(Debug, Serialize)]
pub struct TraceDocument<'a> {
    pub schema: u32,
    pub library_version: &'a str,
    pub text: &'a str,
    pub shown: Vec<Shown<'a>>,
    pub left_out: Vec<Shown<'a>>,
}

/// Where a definition of a chain stands, and why it is in it.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    pub why: &'a str,
    /// The attribute, method, function or field that it is about.
    pub name: Option<&'a str>,
    pub file: &'a str,
    pub symbol: &'a str,
    pub line: u32,
    pub modular: Option<&'a str>,
}

impl<'a> Shown<'a> {
    pub fn of(link: &'a Link) -> Self {
        let (why, name) = match &link.role {
            Role::Failed => ("failed", None),
            Role::Called => ("called", None),
            Role::Sets(name) => ("sets", Some(name)),
            Role::Defines(name) => ("defines", Some(name)),
            Role::Field(name) => ("field", Some(name)),
        };
        Self {
            why,
            name: name.map(String::as_str),
            file: &link.file,
            symbol: &link.symbol,
            line: link.line,
            modular: link.modular.as_deref(),
        }
    }
}

pub fn measure(document: &MeasureDocument) -> String {
    let mut out = format!(
        "{:<8}  {:<8}  {:>9}  {:>8}  {:>5}\n",
        "by", "group", "questions", "recall@5", "MRR"
    );
    for (way, measured) in &document.ways {
        let mut row = |group: &str, figures: &Figures| {
            let _ = writeln!(
                out,
                "{:<8}  {group:<8}  {:>9}  {:>8.3}  {:>5.3}",
                way.as_str(),
                figures.queries,
                figures.recall_at_5,
                figures.mrr
            );
        };
        row("all", &measured.all);
        for (group, figures) in &measured.groups {
            row(group, figures);
        }
    }
    if !document.absent.is_empty() {
        let _ = writeln!(
            out,
            "{} questions were left out: this release has none of their answers",
            document.absent.len()
        );
    }
    out
}

pub fn trace(document: &TraceDocument) -> String {
    if document.shown.is_empty() && document.left_out.is_empty() {
        return "no frame of this traceback is in the library".to_owned();
    }
    let mut out = document.text.to_owned();
    if !document.left_out.is_empty() {
        let _ = writeln!(out, "no room for:");
        for shown in &document.left_out {
            let _ = writeln!(out, "  {}:{}  {}", shown.file, shown.line, shown.symbol);
        }
    }
    out
}

pub fn built(document: &BuildDocument) -> String {
    let built = document.built;
    let mut out = format!(
        "{} documents from {} files of Transformers {} and the packages beside it: {} read, {} unchanged",
        built.documents, built.files, document.library_version, built.read, built.unchanged
    );
    if built.gone > 0 {
        let _ = write!(out, ", {} gone", built.gone);
    }
    out.push('\n');
    if let Some(vectors) = document.vectors {
        let _ = writeln!(
            out,
            "{} passages have vectors, {} computed now",
            vectors.passages, vectors.computed
        );
    }
    for why in built.unread.values() {
        let _ = writeln!(out, "left out: {why}");
    }
    out
}

pub fn hits(document: &SearchDocument) -> String {
    if document.hits.is_empty() {
        return "nothing fits these words".to_owned();
    }
    let mut out = String::new();
    for found in &document.hits {
        let _ = writeln!(out, "{}", head(found.document));
        for line in relevant(&found.document.text, document.query) {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}

pub fn show(document: &ShowDocument) -> String {
    let mut out = String::new();
    for (index, found) in document.documents.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", head(found));
        let _ = writeln!(out, "{}", found.text);
    }
    out
}

/// `file:first-last  symbol`, so that an editor can follow it.
fn head(document: &Document) -> String {
    let mut place = document.file.clone();
    if document.line > 0 {
        let _ = write!(place, ":{}", document.line);
    }
    let kind = match document.kind {
        DocumentKind::Code => String::new(),
        kind => format!("  [{}]", kind.as_str()),
    };
    format!("{place}  {}{kind}", document.symbol)
}

/// The lines that share most words with the question, in their order.
fn relevant<'a>(text: &'a str, query: &str) -> Vec<&'a str> {
    let words: Vec<String> = query
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| word.len() > 2)
        .map(str::to_lowercase)
        .collect();
    let mut lines: Vec<(usize, usize, &str)> = text
        .lines()
        .map(str::trim)
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
        .map(|(at, line)| {
            let lower = line.to_lowercase();
            let shared = words.iter().filter(|word| lower.contains(*word)).count();
            (shared, at, line)
        })
        .collect();
    lines.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    lines.truncate(SHOWN_LINES);
    lines.sort_by_key(|line| line.1);
    lines.into_iter().map(|(_, _, line)| line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(kind: DocumentKind, line: u32) -> Document {
        Document {
            kind,
            file: "transformers/models/toy/modeling_toy.py".into(),
            symbol: "ToyModel.forward".into(),
            line,
            end_line: line + 4,
            text: "def forward(self, x):\n\n    # Nothing.\n    if x is None:\n        raise ValueError(\"x must not be None\")\n    return x".into(),
        }
    }

    #[test]
    fn a_hit_shows_where_it_is_and_the_lines_that_fit() {
        let hits_found = [
            Hit {
                document: document(DocumentKind::Code, 7),
                score: 2.5,
            },
            Hit {
                document: document(DocumentKind::Repair, 0),
                score: 1.0,
            },
        ];
        let found = SearchDocument {
            schema: SCHEMA,
            library_version: "9.0.0",
            query: "ValueError: x must not be None",
            by: Way::Text,
            hits: hits_found.iter().map(Found::of).collect(),
        };
        insta::assert_snapshot!(hits(&found));
        let none = SearchDocument {
            hits: Vec::new(),
            ..found
        };
        insta::assert_snapshot!(hits(&none));
    }

    #[test]
    fn a_build_says_what_it_read_and_what_it_left_out() {
        let built_now = Built {
            documents: 40,
            files: 5,
            read: 2,
            unchanged: 3,
            gone: 1,
            unread: [(
                "a.py".to_owned(),
                "a.py:3: this is not valid Python".to_owned(),
            )]
            .into(),
        };
        insta::assert_snapshot!(built(&BuildDocument {
            schema: SCHEMA,
            library_version: "9.0.0",
            index: Path::new("cache/knowledge/key"),
            built: &built_now,
            vectors: Some(Vectors {
                passages: 30,
                computed: 4,
            }),
        }));
    }

    #[test]
    fn a_shown_document_is_whole() {
        let documents = [
            document(DocumentKind::Code, 7),
            document(DocumentKind::Patch, 9),
        ];
        insta::assert_snapshot!(show(&ShowDocument {
            schema: SCHEMA,
            library_version: "9.0.0",
            documents: &documents,
        }));
    }
}
