//! How good a search is: questions with known answers, and the figures of how well they are found.

use std::collections::BTreeMap;

use portwright_core::Digest;
use serde::{Deserialize, Serialize};

use super::{RetrievalError, TextIndex};
use crate::corpus::Document;

/// The questions that come with Portwright.
const QUERIES: &str = include_str!("../../eval/queries.toml");

/// How many hits are looked at for the reciprocal rank.
pub const DEPTH: usize = 10;

/// How many hits are looked at for the recall.
const FIRST: usize = 5;

/// A question with what answers it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    pub group: String,
    pub text: String,
    /// Ids of documents, any of which is a good answer.
    pub answers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    query: Vec<Query>,
}

/// Reads questions from TOML.
pub fn parse(text: &str) -> Result<Vec<Query>, toml::de::Error> {
    Ok(toml::from_str::<File>(text)?.query)
}

/// The questions that come with Portwright.
pub fn queries() -> Result<Vec<Query>, toml::de::Error> {
    parse(QUERIES)
}

/// How well questions are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    pub queries: usize,
    /// The share of questions with an answer among the first five hits.
    pub recall_at_5: f64,
    /// The mean of one over the place of the first answer, 0 where none is among the first ten hits.
    pub mrr: f64,
}

/// The figures of one way to search.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    pub all: Figures,
    pub groups: BTreeMap<String, Figures>,
    /// Questions without an answer among the first five hits.
    pub missed: Vec<String>,
}

/// A question whose answers are in the index, with the texts of the answers.
pub struct Labelled<'a> {
    pub query: &'a Query,
    answers: Vec<Digest>,
}

/// The questions that this index can be asked, and those none of whose answers it holds: another release of the
/// library has other definitions.
pub fn labelled<'a>(
    index: &TextIndex,
    queries: &'a [Query],
) -> Result<(Vec<Labelled<'a>>, Vec<&'a Query>), RetrievalError> {
    let (mut asked, mut absent) = (Vec::new(), Vec::new());
    for query in queries {
        let mut answers = Vec::new();
        for answer in &query.answers {
            answers.extend(index.find(answer, 1)?.iter().map(Document::body));
        }
        if answers.is_empty() {
            absent.push(query);
        } else {
            asked.push(Labelled { query, answers });
        }
    }
    Ok((asked, absent))
}

/// Asks every question and compares what is found, best first, with the answers.
pub fn measure<E>(
    questions: &[Labelled<'_>],
    mut search: impl FnMut(&str) -> Result<Vec<Document>, E>,
) -> Result<Measured, E> {
    let mut places: Vec<(&Query, Option<usize>)> = Vec::new();
    for question in questions {
        let hits = search(&question.query.text)?;
        let place = hits
            .iter()
            .take(DEPTH)
            .position(|hit| question.answers.contains(&hit.body()));
        places.push((question.query, place));
    }
    let mut groups: BTreeMap<String, Vec<Option<usize>>> = BTreeMap::new();
    for (query, place) in &places {
        groups.entry(query.group.clone()).or_default().push(*place);
    }
    let all: Vec<Option<usize>> = places.iter().map(|(_, place)| *place).collect();
    Ok(Measured {
        all: figures(&all),
        groups: groups
            .into_iter()
            .map(|(group, places)| (group, figures(&places)))
            .collect(),
        missed: places
            .iter()
            .filter(|(_, place)| place.is_none_or(|place| place >= FIRST))
            .map(|(query, _)| query.text.clone())
            .collect(),
    })
}

fn figures(places: &[Option<usize>]) -> Figures {
    let count = places.len().max(1) as f64;
    let found = places.iter().flatten().filter(|place| **place < FIRST);
    // Not `sum`, whose nothing is a negative zero.
    let ranks = places
        .iter()
        .flatten()
        .fold(0.0, |sum, place| sum + 1.0 / (*place as f64 + 1.0));
    Figures {
        queries: places.len(),
        recall_at_5: found.count() as f64 / count,
        mrr: ranks / count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_questions_that_come_along_are_many_and_each_once() {
        let queries = queries().unwrap();
        assert!(queries.len() >= 60, "{}", queries.len());
        let mut texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), queries.len());
        assert!(queries.iter().all(|query| !query.answers.is_empty()));
    }

    #[test]
    fn a_question_with_an_unknown_key_is_refused() {
        let text = "[[query]]\ngroup = \"a\"\ntext = \"b\"\nanswer = []\n";
        assert!(parse(text).is_err());
    }

    #[test]
    fn figures_count_places() {
        let figures = figures(&[Some(0), Some(4), Some(5), None]);
        assert_eq!(figures.queries, 4);
        assert!((figures.recall_at_5 - 0.5).abs() < 1e-9);
        assert!((figures.mrr - (1.0 + 0.2 + 1.0 / 6.0) / 4.0).abs() < 1e-9);
        assert_eq!(super::figures(&[]).recall_at_5, 0.0);
    }
}
